"""The TCP relay that stands between a driver and its device in tests; it lives in uns.sim."""

from uns.sim.fault_proxy import FaultProxy, Line, proxied

__all__ = ["FaultProxy", "Line", "proxied"]
