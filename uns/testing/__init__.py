"""What a package that adds a driver tests it with: the contract of drivers, and bad networks.

    class TestBacnet(DriverContract):
        protocol = "bacnet"
        ...

docs/how-to/write-a-driver.md tells how. It needs what the extra `testing` brings: pytest,
pytest-asyncio and hypothesis.
"""

import pytest

for _name in (
    "abilities",
    "device",
    "lines",
    "open_session",
    "outages",
    "sessions",
    "subject",
    "words",
):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from uns.testing.contract import DriverContract  # noqa: E402 - asserts are rewritten from here on
from uns.testing.device import Device, free_port  # noqa: E402
from uns.testing.fault_proxy import FaultProxy, Line, proxied  # noqa: E402
from uns.testing.subject import TAGS  # noqa: E402
from uns.testing.watch import Collector, Watch  # noqa: E402

__all__ = [
    "TAGS",
    "Collector",
    "Device",
    "DriverContract",
    "FaultProxy",
    "Line",
    "Watch",
    "free_port",
    "proxied",
]
