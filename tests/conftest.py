"""What holds for every test."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from uns.service.broker import MosquittoBroker


# a shell starts background jobs with Ctrl-C ignored, and every process below inherits that
signal.signal(signal.SIGINT, signal.default_int_handler)

# the machines that run these tests are shared: how long one example takes says nothing
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture
async def mosquitto() -> AsyncIterator[MosquittoBroker]:
    """Mosquitto with our configuration, on a free port."""
    from uns.errors import BrokerError  # here, so that tests of the core stay quick to start
    from uns.service.broker import MosquittoBroker

    try:
        broker = await MosquittoBroker().__aenter__()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    try:
        yield broker
    finally:
        await broker.__aexit__(None, None, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what hypothesis runs, so that `make quick` can leave it out."""
    for item in items:
        test = getattr(item, "obj", None)
        is_stateful = hasattr(getattr(item, "cls", None), "settings")
        if is_stateful or getattr(test, "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)
