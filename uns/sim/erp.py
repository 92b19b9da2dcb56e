"""A stand-in for an ERP: it takes confirmations over HTTP, each once, and keeps totals per order.

    POST /confirmations   a CloudEvent around a JobResponse, with its `Idempotency-Key`
    GET  /confirmations   the newest of them
    GET  /orders          totals per order, and of each machine that worked on it

It can be told to misbehave as real ones do: to lose an answer after it has booked, to be too
busy, to refuse. With a file it remembers what it booked over a restart.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from uns.errors import TargetError

__all__ = ["ErpStandIn", "Faults", "OrderTotals"]

_SHOWN: Final = 200  # confirmations that GET /confirmations returns
_CLOSE_S: Final = 1.0


@dataclass(slots=True)
class Faults:
    """How often to misbehave; each is used up by requests. `busy` comes before `lose_answers`."""

    busy: int = 0  # answer 503
    retry_after_s: int | None = None  # … and when to come back
    lose_answers: int = 0  # book, then drop the connection
    drop_requests: int = 0  # drop the connection before booking
    refuse: int = 0  # answer 422
    slow_s: float = 0.0  # every request takes this long


@dataclass(slots=True)
class OrderTotals:
    """What is booked on one order by one machine: totals as told, and the sum of the steps."""

    good: int = 0
    bad: int = 0
    state: str = ""
    good_steps: int = 0
    bad_steps: int = 0
    confirmations: int = 0


@dataclass(slots=True)
class _Books:
    """Everything that is booked; the file holds one line for each confirmation."""

    keys: set[str] = field(default_factory=set)
    orders: dict[str, dict[str, OrderTotals]] = field(default_factory=dict)
    newest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_SHOWN))

    def book(self, key: str, event: dict[str, Any]) -> None:
        response = event["data"]
        machines = self.orders.setdefault(response["JobOrderID"], {})
        totals = machines.setdefault(event["source"], OrderTotals())
        quantities = {
            actual["MaterialUse"]: int(actual["Quantity"])
            for actual in response.get("MaterialActuals", ())
        }
        steps = {part["ID"]: part["Value"] for part in response.get("JobResponseData", ())}
        totals.good = quantities.get("Produced", 0)
        totals.bad = quantities.get("Scrap", 0)
        totals.good_steps += int(steps.get("GoodSinceLast", 0))
        totals.bad_steps += int(steps.get("BadSinceLast", 0))
        totals.state = response["JobState"]
        totals.confirmations += 1
        self.keys.add(key)
        self.newest.append({"key": key, **event})


class ErpStandIn:
    """`async with ErpStandIn("127.0.0.1", 8095) as erp:` serves until the block ends.

    Port 0 finds a free one; `erp.url` is where confirmations go. Raises TargetError where the
    port is taken.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8095,
        *,
        file: Path | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.faults = faults or Faults()
        self.duplicates = 0  # requests with a key that was booked already
        self.requests = 0
        self._file = file
        self._books = _Books()
        self._runner: web.AppRunner | None = None
        self._writing = asyncio.Lock()

    @property
    def url(self) -> str:
        """Where confirmations are posted to."""
        return f"http://{self.host}:{self.port}/confirmations"

    @property
    def confirmations_received(self) -> int:
        """How many confirmations are booked, each counted once."""
        return len(self._books.keys)

    def machines_of(self, order: str) -> dict[str, OrderTotals]:
        """What each machine, by its topic, has told of an order."""
        return self._books.orders.get(order, {})

    def orders(self) -> dict[str, dict[str, Any]]:
        """Totals per order, over all machines that worked on it: what GET /orders returns."""
        return {order: _summary(machines) for order, machines in self._books.orders.items()}

    async def __aenter__(self) -> Self:
        if self._file is not None:
            await asyncio.to_thread(self._recall, self._file)
        application = web.Application()
        application.add_routes(
            [
                web.post("/confirmations", self._confirm),
                web.get("/confirmations", self._show_confirmations),
                web.get("/orders", self._show_orders),
            ]
        )
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_CLOSE_S
        )
        await self._runner.setup()
        try:
            await self._listen(self._runner)
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        site = web.TCPSite(runner, self.host, self.port)
        try:
            await site.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise TargetError(
                    f"the ERP stand-in cannot listen on {self.host}:{self.port}: {error.strerror}"
                ) from error
            raise TargetError(
                f"port {self.port} is taken: the ERP stand-in cannot listen there",
                hint="end the other program, or choose another port and name it in the target's url",
            ) from error
        if not self.port:
            self.port = runner.addresses[0][1]

    async def _confirm(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        key = request.headers.get("Idempotency-Key", "")
        body = await request.read()
        faults = self.faults
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if faults.busy:
            faults.busy -= 1
            after = faults.retry_after_s
            headers = {} if after is None else {"Retry-After": str(after)}
            return web.Response(status=503, text="too busy, come back later", headers=headers)
        if faults.refuse:
            faults.refuse -= 1
            return web.json_response({"error": "this order is locked for good"}, status=422)
        if faults.drop_requests:
            faults.drop_requests -= 1
            return _hang_up(request)
        answer = await self._booked(key, body)
        if faults.lose_answers:
            faults.lose_answers -= 1
            return _hang_up(request)
        return answer

    async def _booked(self, key: str, body: bytes) -> web.Response:
        if not key:
            return _refusal("the header Idempotency-Key is missing")
        async with self._writing:
            if key in self._books.keys:
                self.duplicates += 1
                return web.json_response({"booked": "before"}, status=409)
            try:
                event = json.loads(body)
                self._books.book(key, event)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                return _refusal(f"this is no confirmation: {error!r}")
            if self._file is not None:
                line = json.dumps({"key": key, "event": event}) + "\n"
                await asyncio.to_thread(_append, self._file, line)
        return web.json_response({"booked": "now"}, status=201)

    async def _show_confirmations(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self._books.newest))

    async def _show_orders(self, _request: web.Request) -> web.Response:
        return web.json_response(self.orders())

    def _recall(self, file: Path) -> None:
        if not file.exists():
            return
        for line in file.read_text().splitlines():
            try:
                booked = json.loads(line)
            except ValueError:
                continue  # the last line of a stand-in that was killed while it wrote
            self._books.book(booked["key"], booked["event"])


def _summary(machines: dict[str, OrderTotals]) -> dict[str, Any]:
    return {
        "good": sum(totals.good for totals in machines.values()),
        "bad": sum(totals.bad for totals in machines.values()),
        "machines": {
            source: {
                "good": totals.good,
                "bad": totals.bad,
                "state": totals.state,
                "confirmations": totals.confirmations,
            }
            for source, totals in machines.items()
        },
    }


def _refusal(why: str) -> web.Response:
    return web.json_response({"error": why}, status=400)


def _hang_up(request: web.Request) -> web.StreamResponse:
    """Drop the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # never sent: the connection is gone


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as books:
        books.write(line)
        books.flush()
        os.fsync(books.fileno())
