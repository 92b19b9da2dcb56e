"""The contract as tests imported it before uns.testing: `from uns.testing import DriverContract`."""

from uns.testing import DriverContract

__all__ = ["DriverContract"]
