"""What a server remembers of a variable: raw history, page by page."""

from __future__ import annotations

from datetime import UTC, datetime

from asyncua import ua

from bridges.opcua.kept import Item
from bridges.opcua.link import Link
from bridges.opcua.values import problem, reading
from uns.errors import DeviceError
from uns.metric import Reading

__all__ = ["history"]

_PAGE = 10_000  # values in one answer
_MOST = 1_000_000  # values in all


async def history(link: Link, item: Item, begin_ms: int, end_ms: int) -> list[Reading]:
    """Raw values from `begin_ms` up to `end_ms`, oldest first; raises DeviceError."""
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime = datetime.fromtimestamp(begin_ms / 1000, UTC)
    details.EndTime = datetime.fromtimestamp(end_ms / 1000, UTC)
    details.NumValuesPerNode = _PAGE
    details.ReturnBounds = False
    found: list[Reading] = []
    point: bytes | None = None
    while True:
        result = await link.history(item, details, point)
        _check(result)
        page = _page(result, item)
        if found and page and page[0] == found[-1]:
            del page[0]  # some servers begin a page with what ended the one before
        found += page
        before, point = point, result.ContinuationPoint
        if not point or point == before or not page:
            break
        if len(found) > _MOST:
            raise DeviceError(
                f"the server remembers more than {_MOST:,} values", hint="ask for a shorter time"
            )
    inside = (one for one in found if begin_ms <= one[3] <= end_ms)
    return sorted(inside, key=lambda one: one[3])


def _check(result: ua.HistoryReadResult) -> None:
    status = result.StatusCode
    if status.value == ua.StatusCodes.BadHistoryOperationUnsupported:
        raise DeviceError("the server keeps no history of this variable")
    if status.is_bad() and status.value != ua.StatusCodes.BadNoData:
        raise DeviceError(problem(status))


def _page(result: ua.HistoryReadResult, item: Item) -> list[Reading]:
    values = getattr(result.HistoryData, "DataValues", None) or ()
    return [reading(item.handle, held, item.shape) for held in values]
