"""A device that can be written: its session at the moment, and what is known of its tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from uns.equipment import Tag
from uns.errors import DeviceError
from uns.metric import Reading, Value
from uns.reporting import Reporter
from uns.service.connection import ConnectionSupervisor

__all__ = ["WritableDevice"]


class WritableDevice:
    """Tags are handles, values those of the device; both methods raise DeviceError."""

    def __init__(
        self,
        tags: Mapping[int, Tag],
        reporter: Reporter,
        supervisor: Callable[[], ConnectionSupervisor],
    ) -> None:
        """`tags` are those of the project as it is now; `supervisor` the link of the moment."""
        self._tags = tags
        self._reporter = reporter
        self._supervisor = supervisor

    def counts(self, handle: int) -> bool:
        """Whether the device has whole numbers for a tag, as far as it has said."""
        return self._reporter.counts(handle)

    def known(self, handle: int) -> Value:
        """What was reported of a tag last."""
        return next((value for _, value, _, _ in self._reporter.known([handle])), None)

    async def write(self, items: Sequence[tuple[int, Value]]) -> Sequence[str]:
        """Write values; one problem each, empty where it worked."""
        self._check([handle for handle, _ in items])
        return await self._supervisor().write(items)

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask the device out of turn."""
        self._check(handles)
        return await self._supervisor().read_now(handles)

    def _check(self, handles: Sequence[int]) -> None:
        if any(handle not in self._tags for handle in handles):
            raise DeviceError("the project was changed meanwhile")
