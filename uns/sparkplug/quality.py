"""Quality codes on the wire: Sparkplug's three, and those that Ignition and older OPC sources send.

Ignition 8 keeps the severity in the two highest bits and a subcode in the lowest sixteen (Cirrus
Link, "Understanding and decoding Ignition QualityCodes"). Codes below 256 are those of OPC DA
(OPC DA 3.0 §6.8): 192 and more is good, 64 to 127 is uncertain. Where both read a code, the
specification's own meaning wins: 0 is bad, 192 good, 500 stale.
"""

from __future__ import annotations

from typing import Any

from uns.metric import Quality

__all__ = ["read_quality"]

_SEVERITIES = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)
_STALE_SUBCODE = 516
_PENDING = 2  # a value that is about to be written and has not been read back

# The subcodes that say something a person can act on; the tree shows the word as `detail`.
_WORDS = {
    257: "LastKnownValue",
    258: "InitialValue",
    259: "SubNormal",
    260: "EngineeringUnitsExceeded",
    513: "Unauthorized",
    514: "AccessDenied",
    515: "Disabled",
    517: "TrialExpired",
    518: "LicenseExceeded",
    519: "NotFound",
    520: "ReferenceNotFound",
    522: "NotConnected",
    523: "GatewayCommOff",
    524: "OutOfRange",
    525: "DatabaseNotConnected",
    527: "Failure",
    528: "Unsupported",
    769: "Configuration",
    770: "Expression",
    772: "TypeConversion",
    774: "IO",
    775: "Timeout",
}


def read_quality(code: Any) -> tuple[Quality, str]:
    """Return the quality that a code means, and a word for it where it has one of its own.

    >>> read_quality(192), read_quality(-2147483126)
    ((<Quality.GOOD: 192>, ''), (<Quality.BAD: 0>, 'NotConnected'))
    """
    if type(code) is not int or not -(1 << 31) <= code < 1 << 32:
        return Quality.BAD, ""
    if code == Quality.STALE:
        return Quality.STALE, ""
    severity, subcode = code >> 30 & 3, code & 0xFFFF
    if severity == 0:
        return _plain(code), ""
    if subcode == _STALE_SUBCODE:
        return Quality.STALE, ""
    return _SEVERITIES[severity], _WORDS.get(subcode, "")


def _plain(code: int) -> Quality:
    """A code without a severity: Sparkplug's, Ignition's good ones, or OPC DA's."""
    if Quality.GOOD <= code < 256:  # noqa: PLR2004 - OPC DA's are one byte
        return Quality.GOOD
    if 64 <= code < 128 or code == _PENDING:  # noqa: PLR2004 - OPC DA 3.0 §6.8
        return Quality.UNCERTAIN
    return Quality.BAD
