"""How much one request may hold: what the server says of that, and what it shows by refusing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import TypeVar

from asyncua import ua

from uns.errors import DeviceError

__all__ = ["Limit", "Limits"]

_Thing = TypeVar("_Thing")
_Answer = TypeVar("_Answer")

_MOST = 1000  # in one request, where the server sets no limit or a higher one
_PREFIX = "Server_ServerCapabilities_OperationLimits_"


class Limit(Enum):
    """The operation limits of OPC UA part 5 §6.3.11 that concern us."""

    MONITOR = "MaxMonitoredItemsPerCall"
    READ = "MaxNodesPerRead"
    WRITE = "MaxNodesPerWrite"
    BROWSE = "MaxNodesPerBrowse"
    TRANSLATE = "MaxNodesPerTranslateBrowsePathsToNodeIds"
    CALL = "MaxNodesPerMethodCall"
    HISTORY = "MaxNodesPerHistoryReadData"

    @property
    def node(self) -> ua.NodeId:
        """Where the server tells it."""
        return ua.NodeId(getattr(ua.ObjectIds, _PREFIX + self.value))


class Limits:
    """The limits of one server; a request that it refuses as too big is halved for good."""

    def __init__(self) -> None:
        self._sizes = dict.fromkeys(Limit, _MOST)
        self._sizes[Limit.BROWSE] = 100  # an answer has many times as many references
        self._sizes[Limit.TRANSLATE] = 200

    def learn(self, told: Sequence[ua.DataValue]) -> None:
        """Take what the server says, in the order of `Limit`; 0 or nothing: it sets no limit."""
        for limit, held in zip(Limit, told, strict=True):
            most = held.Value.Value if held.Value is not None else None
            if isinstance(most, int) and most > 0:
                self._sizes[limit] = min(self._sizes[limit], most)

    def size(self, limit: Limit) -> int:
        """How many things go into one request."""
        return self._sizes[limit]

    async def in_parts(
        self,
        limit: Limit,
        things: Sequence[_Thing],
        ask: Callable[[Sequence[_Thing]], Awaitable[Sequence[_Answer]]],
    ) -> list[_Answer]:
        """Ask for all things, in as many requests as it takes; one answer for each."""
        answers: list[_Answer] = []
        while len(answers) < len(things):
            part = things[len(answers) :][: self._sizes[limit]]
            try:
                told = await ask(part)
            except _TOO_MUCH:
                self.halve(limit, len(part))
                continue
            if len(told) != len(part):
                raise DeviceError(f"the server answers {len(told)} of {len(part)} questions")
            answers += told
        return answers

    def halve(self, limit: Limit, tried: int) -> None:
        """So many were too many."""
        if tried <= 1:
            raise DeviceError("the server refuses even one item per request")
        self._sizes[limit] = tried // 2


_TOO_MUCH = (
    ua.uaerrors.BadTooManyOperations,
    ua.uaerrors.BadEncodingLimitsExceeded,
    ua.uaerrors.BadRequestTooLarge,
    ua.uaerrors.BadResponseTooLarge,
)
