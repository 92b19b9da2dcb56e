"""PackML states: their codes, how long a machine stays in each, and where each leads.

Codes are those of ISA-TR88.00.02. Other profiles number them differently (OPC 30060 has
Execute as 4), so what a tag shows is always looked up by name in the tag's own `states`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

__all__ = ["CHANGEOVER", "DWELL_S", "NEXT", "State", "code_for"]


class State(IntEnum):
    """The seventeen states of a PackML machine."""

    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETE = 17


#: States of an order change. They last real seconds however fast a simulation runs, because
#: whoever reads the order's tags needs real seconds to see that they came to rest.
CHANGEOVER = frozenset(
    {State.COMPLETING, State.COMPLETE, State.RESETTING, State.IDLE, State.STARTING}
)

#: Shortest and longest stay in seconds, for states that end by themselves. How long a machine
#: is HELD or ABORTED depends on what stopped it.
DWELL_S: Mapping[State, tuple[float, float]] = {
    State.CLEARING: (2, 4),
    State.STOPPED: (1, 2),
    State.STARTING: (2, 4),
    State.IDLE: (2, 3),
    State.STOPPING: (1, 2),
    State.ABORTING: (1, 2),
    State.HOLDING: (1, 2),
    State.UNHOLDING: (1, 3),
    State.SUSPENDING: (1, 2),
    State.UNSUSPENDING: (1, 2),
    State.RESETTING: (2, 4),
    State.COMPLETING: (2, 3),
    State.COMPLETE: (3, 4),
}

#: Where a state leads when its stay is over. EXECUTE, SUSPENDED and COMPLETE are not here:
#: pieces, neighbours and the line's next order end them.
NEXT: Mapping[State, State] = {
    State.CLEARING: State.STOPPED,
    State.STOPPED: State.RESETTING,
    State.RESETTING: State.IDLE,
    State.IDLE: State.STARTING,
    State.STARTING: State.EXECUTE,
    State.STOPPING: State.STOPPED,
    State.ABORTING: State.ABORTED,
    State.ABORTED: State.CLEARING,
    State.HOLDING: State.HELD,
    State.HELD: State.UNHOLDING,
    State.UNHOLDING: State.EXECUTE,
    State.SUSPENDING: State.SUSPENDED,
    State.UNSUSPENDING: State.EXECUTE,
    State.COMPLETING: State.COMPLETE,
}


def code_for(state: State, states: Mapping[int, str]) -> int:
    """The code that a tag with these `states` shows for `state`, by name or by like meaning.

    >>> code_for(State.EXECUTE, {4: "Execute", 6: "Stopping"})
    4
    >>> code_for(State.HELD, {0: "Off", 1: "Running", 2: "Fault"})
    2
    """
    wanted = state.name.lower()
    names = {code: name.lower().replace(" ", "").replace("_", "") for code, name in states.items()}
    for code, name in names.items():
        if name == wanted:
            return code
    for word in _LIKE[state]:
        for code, name in names.items():
            if word in name:
                return code
    return min(states)


_RUNNING = ("run", "produc", "auto", "exec")
_READY = ("idle", "ready", "standby", "wait", "stop", "off")
_BROKEN = ("fault", "held", "hold", "alarm", "error", "down", "abort", "stop")
_WAITING = ("suspend", "starv", "block", "wait", "idle", "standby", "stop")
_RESTING = ("stop", "off", "idle")

#: What vendors call it who do not speak PackML, nearest first.
_LIKE: Mapping[State, tuple[str, ...]] = {
    State.CLEARING: _RESTING,
    State.STOPPED: _RESTING,
    State.STARTING: ("start", *_READY),
    State.IDLE: _READY,
    State.SUSPENDED: _WAITING,
    State.EXECUTE: _RUNNING,
    State.STOPPING: _RESTING,
    State.ABORTING: _BROKEN,
    State.ABORTED: _BROKEN,
    State.HOLDING: _BROKEN,
    State.HELD: _BROKEN,
    State.UNHOLDING: _BROKEN,
    State.SUSPENDING: _WAITING,
    State.UNSUSPENDING: _WAITING,
    State.RESETTING: _READY,
    State.COMPLETING: ("complet", "setup", "changeover", *_READY),
    State.COMPLETE: ("complet", "setup", "changeover", *_READY),
}
