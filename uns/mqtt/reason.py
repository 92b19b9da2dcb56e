"""Why a broker refuses: MQTT 5 reason codes in words, and what to do about them."""

from __future__ import annotations

from uns.errors import BrokerError

__all__ = ["CLIENT_ID_TAKEN", "REFUSED", "UNSUPPORTED_VERSION", "refusal", "words"]

REFUSED = 0x80
"""MQTT 5.0 §2.4: codes from here on are failures."""
UNSUPPORTED_VERSION = 0x84
CLIENT_ID_TAKEN = 0x8E

# MQTT 3.1.1 §3.2.2.3: its CONNACK return codes, as the codes of MQTT 5
_CONNACK_311 = {1: UNSUPPORTED_VERSION, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}

# MQTT 5.0 §2.4, table 2-6
_WORDS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    UNSUPPORTED_VERSION: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    CLIENT_ID_TAKEN: "another client took over this client id",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

_HINTS = {
    0x85: "choose another client id: brokers may refuse long ones and odd characters",
    0x86: "check user name and password: mqtt://user:password@host",
    0x87: "check user name and password, and the rights in the broker's access list",
    0x95: "raise `max_packet_size` of the broker, or split that message",
    CLIENT_ID_TAKEN: "give each program a client id of its own; is this one running twice?",
}


def words(code: int, *, connack_311: bool = False) -> str:
    """A reason in words, with its code: `not authorised (0x87)`."""
    code = _CONNACK_311.get(code, code) if connack_311 else code
    return f"{_WORDS.get(code, 'no reason that MQTT knows')} (0x{code:02X})"


def refusal(sentence: str, code: int, *, connack_311: bool = False) -> BrokerError:
    """A BrokerError: the sentence, the reason in words, and the hint that fits."""
    code = _CONNACK_311.get(code, code) if connack_311 else code
    return BrokerError(f"{sentence}: {words(code)}", hint=_HINTS.get(code, ""))
