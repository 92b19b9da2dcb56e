"""Mode: which readers must understand which writers when a schema changes."""

from __future__ import annotations

from enum import Enum

__all__ = ["Fields", "Mode"]


class Mode(Enum):
    """The compatibility that a subject promises, by the names that schema registries use."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"  # new readers understand old documents
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"  # old readers understand new documents
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"  # both
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def is_backward(self) -> bool:
        """Whether new readers must understand old documents."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def is_forward(self) -> bool:
        """Whether old readers must understand new documents."""
        return self.value.startswith(("FORWARD", "FULL"))

    @property
    def is_transitive(self) -> bool:
        """Whether every earlier version counts, not only the last."""
        return self.value.endswith("_TRANSITIVE")


class Fields(Enum):
    """How an object that says nothing of further fields is taken."""

    #: A writer sends only fields that its schema names; a reader passes over those it does not
    #: know. So an optional field may be added or dropped under FULL.
    CLOSED_WRITER = "closed-writer"
    #: To the letter of JSON Schema: whoever says nothing allows everything, on both sides.
    AS_WRITTEN = "as-written"
