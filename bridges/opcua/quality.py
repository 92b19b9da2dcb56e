"""The quality of an OPC UA status code (docs/reference/bridges/opcua.md has the table)."""

from __future__ import annotations

from uns.metric import Quality

__all__ = ["quality"]

_GOOD, _UNCERTAIN, _BAD, _STALE = map(
    int, (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.STALE)
)
_SEVERITY = 0xC0000000  # OPC UA part 4 §7.39: the two top bits
_UNCERTAIN_SEVERITY = 0x40000000
_SUBCODE = 0xFFFF0000  # without the bits that only say "overflow", "limit" or "semantics changed"
_LAST_USABLE = frozenset(
    {
        0x408F0000,  # UncertainNoCommunicationLastUsableValue
        0x40900000,  # UncertainLastUsableValue
    }
)


def quality(code: int) -> int:
    """Return Good, Uncertain, Stale (a last usable value) or Bad for a status code."""
    severity = code & _SEVERITY
    if not severity:
        return _GOOD
    if severity != _UNCERTAIN_SEVERITY:
        return _BAD
    return _STALE if code & _SUBCODE in _LAST_USABLE else _UNCERTAIN
