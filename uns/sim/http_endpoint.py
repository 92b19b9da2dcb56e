"""A simulated web server of machines: JSON documents, or an MTConnect agent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from bridges.http.address import HttpAddress
from bridges.http.config import Preset
from bridges.paths import JsonPath
from uns.equipment import Connection, Tag
from uns.errors import DeviceError
from uns.metric import Value
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.mtconnect_agent import MtConnectAgent
from uns.sim.raw import raw_for

__all__ = ["HttpEndpoint"]

log = logging.getLogger("uns.sim")

_XML: Final = "application/xml"


class HttpEndpoint(Endpoint):
    """Serves JSON at the paths that tags name, or observations where the preset is mtconnect."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        is_agent = connection.config.preset is Preset.MTCONNECT
        served = [tag for tag in tags if is_agent or _is_json(source_of(tag).address)]
        if len(served) < len(tags):
            log.warning(
                "%s: only JSON and MTConnect are simulated; %d tags are left out",
                connection.key,
                len(tags) - len(served),
            )
        super().__init__(connection, served)
        self._raws = {tag.topic.text: raw_for(tag, tag.datatype) for tag in served}
        self._is_agent = is_agent
        written = connection.config.timestamp
        self._time = JsonPath.parse(written) if written else None
        self._agent: MtConnectAgent | None = None
        self._documents: dict[str, Any] = {}
        self._runner: web.AppRunner | None = None
        self._path = connection.config.url.partition("://")[2].partition("/")[2]

    @property
    def has_clock(self) -> bool:
        """Whether there are times in its documents, as in an agent's observations."""
        return self._is_agent or self._time is not None

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen, with these values; raises DeviceError where the port is taken."""
        self._documents.clear()
        if self._is_agent:
            there = [tag for tag in self.tags if tag.topic.text not in self.missing]
            self._agent = MtConnectAgent([source_of(tag).address.item for tag in there])
        await self.show(showing, now_ms)
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.inner_port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise DeviceError(
                f"the simulated web server cannot listen on {self.where}: {error.strerror}",
                hint=f"stop the program that has port {self.port}, or choose another port",
            ) from error
        self.inner_port = runner.addresses[0][1]
        self._runner = runner

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Put values into their documents, or let the agent observe them."""
        for item in showing:
            raw = self._raws.get(item.tag.topic.text)
            if raw is None or item.tag.topic.text in self.missing:
                continue
            address: HttpAddress = source_of(item.tag).address
            value = raw(item.value) if item.status == "Good" else None
            if self._agent is not None:
                self._agent.observe(address.item, value, now_ms + self.skew_ms)
            else:
                self._put(address, value)
        if self._time is not None:
            moment = datetime.fromtimestamp((now_ms + self.skew_ms) / 1000, UTC).isoformat()
            for path, document in self._documents.items():
                self._documents[path] = self._time.put(document, moment)

    async def stop(self) -> None:
        """Drop every client and the port."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _put(self, address: HttpAddress, value: Value) -> None:
        path = address.path if isinstance(address.path, JsonPath) else JsonPath()
        shown = value if isinstance(value, bool | int | float | str | None) else str(value)
        before = self._documents.get(address.request)
        self._documents[address.request] = path.put(before, shown)

    async def _answer(self, request: web.Request) -> web.Response:
        path = "/" + request.raw_path.lstrip("/").removeprefix(self._path).lstrip("/")
        if self._agent is not None:
            return self._of_agent(self._agent, path.partition("?")[0], request)
        if path not in self._documents:
            raise web.HTTPNotFound
        return web.json_response(self._documents[path])

    def _of_agent(self, agent: MtConnectAgent, path: str, request: web.Request) -> web.Response:
        match path:
            case "/probe":
                return web.Response(text=agent.probe(), content_type=_XML)
            case "/current":
                return web.Response(text=agent.current(), content_type=_XML)
            case "/sample":
                asked = (request.query.get("from", "1"), request.query.get("count", "100"))
                if not all(word.isdecimal() for word in asked):
                    raise web.HTTPBadRequest
                status, text = agent.sample(int(asked[0]), int(asked[1]))
                return web.Response(text=text, status=status, content_type=_XML)
        raise web.HTTPNotFound


def _is_json(address: HttpAddress) -> bool:
    return address.kind in ("json", "plain")
