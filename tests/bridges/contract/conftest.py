"""What the contract of drivers needs: its own modules importable, and devices to test against."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("driver_contract")

from device import Device, free_port

TAGS = 20


@pytest.fixture(scope="class")
def shared_device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device for the tests that leave it as it was."""
    device = Device(request.cls.protocol, free_port())
    device.start(TAGS)
    yield device
    device.thaw()
    device.kill()


@pytest.fixture
def own_device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device that the test starts and kills as it likes."""
    device = Device(request.cls.protocol, free_port())
    yield device
    device.kill()
