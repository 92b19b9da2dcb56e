"""The monitor: watches what edge nodes and host applications say, and grades each by statement id.

    monitor = Monitor()
    monitor.published(message, now_ms)       # for every message seen
    monitor.tick(now_ms)                     # a few times a second
    report = monitor.report()                # per participant: Grade per statement

It shares no state machine with `EdgeNode` and `HostApplication`: it is their oracle in tests.
"""

from __future__ import annotations

from uns.sparkplug.monitor.client import Connect
from uns.sparkplug.monitor.grade import Evidence, Grade, Kind, Outcome
from uns.sparkplug.monitor.monitor import Monitor
from uns.sparkplug.monitor.report import Conduct, Report
from uns.sparkplug.monitor.settings import MonitorSettings

__all__ = [
    "Conduct",
    "Connect",
    "Evidence",
    "Grade",
    "Kind",
    "Monitor",
    "MonitorSettings",
    "Outcome",
    "Report",
]
