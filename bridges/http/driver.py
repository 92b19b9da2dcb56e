"""The HTTP driver: each document is asked for once in a scan, however many tags it holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bridges.driver import BindResult, BoundTag, PollDriver
from bridges.http.address import HttpAddress, parse
from bridges.http.config import HttpConfig, Preset
from bridges.moments import milliseconds
from bridges.paths import JsonPath
from uns.errors import DeviceError
from uns.metric import Quality, Reading

if TYPE_CHECKING:
    from bridges.http.document import Document
    from bridges.http.mtconnect import Agent
    from bridges.http.session import HttpSession

__all__ = ["HttpDriver"]

log = logging.getLogger("uns.bridge.http")

_AT_ONCE: Final = 4
_THREADED: Final = 262_144  # bytes: parsing more would hold the other connections up
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)


class HttpDriver(PollDriver):
    """A session with one server. A request that fails concerns its own tags."""

    name = "http"
    Config = HttpConfig
    ADDRESS_SETTINGS = frozenset({"preset"})
    IS_DURABLE: ClassVar[bool] = True
    config: HttpConfig

    def __init__(self, config: HttpConfig) -> None:
        super().__init__(config)
        self._timestamp = JsonPath.parse(config.timestamp) if config.timestamp else None
        self._session: HttpSession | None = None
        self._agent: Agent | None = None
        self._cursor: Any = None
        self._tags: dict[int, BoundTag] = {}
        self._problems: dict[str, str] = {}  # by request, as last told
        self._refused: dict[int, str] = {}  # tags that are not there, and why

    @classmethod
    def parse(cls, text: str, config: HttpConfig) -> HttpAddress:
        """The address in `text`; raises AddressError with the column of the mistake."""
        return parse(text, config.preset)

    async def open(self) -> None:
        """Prepare the session and see that somebody answers; raises DeviceError."""
        # aiohttp takes a fifth of a second to import, and checking a project needs none of it.
        from bridges.http.mtconnect import Agent  # noqa: PLC0415
        from bridges.http.session import HttpSession, NotServedError  # noqa: PLC0415

        self._session = HttpSession(self.config, self.home)
        self._session.open()
        if self.config.preset is Preset.MTCONNECT:
            self._agent = Agent(self._session, self.config.key())
            self._agent.resume(self._cursor)
            try:
                await self._session.get("/probe")
                await self._agent.begin()
            except (NotServedError, ValueError) as error:
                raise DeviceError(
                    f"{self.config.key()} is no MTConnect agent: {error}",
                    hint="the url is the agent's root, where /probe and /current are",
                ) from error

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Take the tags up; what the server has not is found when it is read."""
        for tag in tags:
            self._tags[tag.handle] = tag
            if self._agent is not None:
                self._agent.follow(tag)
        return [BindResult(tag.handle) for tag in tags]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        for handle in handles:
            self._tags.pop(handle, None)
            self._refused.pop(handle, None)
        if self._agent is not None:
            self._agent.forget(handles)

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """Ask for every document that these tags are in; raises DeviceError where none answers."""
        if self._agent is not None:
            observed = await self._observations(self._agent.read(handles))
            self._look_for_missing(self._agent, handles)
            return observed
        wanted: dict[str, list[BoundTag]] = {}
        for handle in handles:
            tag = self._tags[handle]
            wanted.setdefault(tag.address.request, []).append(tag)
        gate = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(self._read_one(gate, request, tags))
                for request, tags in wanted.items()
            ]
        answers = [task.result() for task in asking]
        failures = [answer for answer in answers if isinstance(answer, DeviceError)]
        if failures and len(failures) == len(answers):
            raise failures[0]
        readings: list[Reading] = []
        for tags, answer in zip(wanted.values(), answers, strict=True):
            bad: list[Reading] = [(tag.handle, None, _BAD, 0) for tag in tags]
            readings += bad if isinstance(answer, DeviceError) else answer
        return readings

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """The same, out of turn; of an agent how things are, and `read` still tells each step."""
        if self._agent is not None:
            return await self._observations(self._agent.now(handles))
        readings = await self.read(handles)
        latest = {reading[0]: reading for reading in readings if reading[0] in handles}
        return list(latest.values())

    @property
    def problems(self) -> Mapping[int, str]:
        """The tags that the server does not have, and why."""
        return self._refused

    @property
    def requests(self) -> int:
        """How many requests this session has sent."""
        return 0 if self._session is None else self._session.requests

    @property
    def cursor(self) -> Any:
        """How far an MTConnect agent was read; None for everything else."""
        return self._agent.cursor if self._agent is not None else None

    def resume(self, cursor: Any) -> None:
        """Go on behind what an earlier session read of the agent."""
        self._cursor = cursor

    async def abandon(self) -> None:
        """The same as `close`: a server keeps nothing of a session."""
        await self.close()

    async def close(self) -> None:
        """Drop the connections."""
        if self._session is not None:
            await self._session.close()

    async def _observations(self, asked: Awaitable[list[Reading]]) -> list[Reading]:
        from bridges.http.session import NotServedError  # noqa: PLC0415 - see `open`

        try:
            readings = await asked
        except (NotServedError, ValueError) as error:
            raise DeviceError(f"{self.config.key()}: {error}") from error
        return readings

    def _look_for_missing(self, agent: Agent, handles: Sequence[int]) -> None:
        """Tell which data items the agent does not have."""
        missing = {handle: f"no data item `{item}`" for handle, item in agent.missing(handles)}
        for handle in handles:
            self._refused.pop(handle, None)
        self._refused |= missing
        self._tell("/current", "; ".join(list(missing.values())[:3]))

    async def _read_one(
        self, gate: asyncio.Semaphore, request: str, tags: Sequence[BoundTag]
    ) -> list[Reading] | DeviceError:
        from bridges.http.session import NotServedError  # noqa: PLC0415 - see `open`

        async with gate:
            try:
                document = await self._document(request)
                readings = self._readings(document, tags)
            except DeviceError as error:
                self._refused |= {tag.handle: str(error) for tag in tags}
                return error
            except NotServedError as error:
                self._refused |= {tag.handle: str(error) for tag in tags}
                self._tell(request, str(error))
                return [(tag.handle, None, _BAD, 0) for tag in tags]
        return readings

    async def _document(self, request: str) -> Document:
        from bridges.http.document import Document  # noqa: PLC0415 - see `open`

        if self._session is None:
            raise DeviceError(f"{self.config.key()}: the session is not open")
        body = await self._session.get(request)
        document = Document(body)
        if len(body) > _THREADED:
            kinds = {tag.address.kind for tag in self._tags.values()}
            await asyncio.to_thread(_parse, document, kinds)
        return document

    def _readings(self, document: Document, tags: Sequence[BoundTag]) -> list[Reading]:
        from bridges.http.values import typed  # noqa: PLC0415 - see `open`

        at_ms = self._time_of(document)
        readings: list[Reading] = []
        missing: Mapping[str, str] = {}
        for tag in tags:
            try:
                value = typed(document.get(tag.address), tag.datatype)
            except LookupError as error:
                self._refused[tag.handle] = str(error.args[0])
                missing = {**missing, str(tag.address): str(error.args[0])}
                readings.append((tag.handle, None, _BAD, at_ms))
                continue
            self._refused.pop(tag.handle, None)
            readings.append((tag.handle, value, _BAD if value is None else _GOOD, at_ms))
        request = tags[0].address.request
        told = "; ".join(f"{address}: {why}" for address, why in list(missing.items())[:3])
        self._tell(request, told)
        return readings

    def _time_of(self, document: Document) -> int:
        from bridges.http.session import NotServedError  # noqa: PLC0415 - see `open`

        if self._timestamp is None:
            return 0
        try:
            return milliseconds(self._timestamp.get(document.json))
        except (LookupError, ValueError, NotServedError):  # an XML page, say, has none
            return 0

    def _tell(self, request: str, problem: str) -> None:
        """Say once what is wrong with a request, and once that it is over."""
        before = self._problems.get(request, "")
        self._problems[request] = problem
        if problem and problem != before:
            log.warning("%s%s: %s; what cannot be read is Bad", self.config.key(), request, problem)
        elif before and not problem:
            log.info("%s%s is well again", self.config.key(), request)


def _parse(document: Document, kinds: set[str]) -> None:
    """Parse in a thread what will be asked for; mistakes show when it is asked for."""
    if "json" in kinds:
        document.json  # noqa: B018 - the property parses
    elif "xml" in kinds:
        document.xml  # noqa: B018 - the property parses
