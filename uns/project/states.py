"""State models that have a name: what the numbers of a `states: packml` tag mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uns.project.nearest import suggestion
from uns.project.quantity import WordError, shown

__all__ = ["PACKML", "read_states"]

#: ANSI/ISA-TR88.00.02, `Status.StateCurrent`; OPC UA for PackML (OPC 30050) numbers them alike.
PACKML: Mapping[int, str] = {
    0: "Undefined",
    1: "Clearing",
    2: "Stopped",
    3: "Starting",
    4: "Idle",
    5: "Suspended",
    6: "Execute",
    7: "Stopping",
    8: "Aborting",
    9: "Aborted",
    10: "Holding",
    11: "Held",
    12: "Unholding",
    13: "Suspending",
    14: "Unsuspending",
    15: "Resetting",
    16: "Completing",
    17: "Complete",
}
_NAMED = {"packml": PACKML}


def read_states(words: Any) -> Any:
    """The map from number to name; raises WordError for a model that we do not know."""
    if isinstance(words, Mapping):
        return words
    if isinstance(words, str) and words in _NAMED:
        return dict(_NAMED[words])
    raise WordError(
        f"{shown(words)} is not a state model we know",
        hint=suggestion(
            str(words), _NAMED, otherwise="`packml`, or a map: `{0: idle, 1: running}`"
        ),
        code="UNS104",
    )
