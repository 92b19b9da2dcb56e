"""What each answer of an HTTP end leads to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from uns.sim.erp import ErpStandIn
from uns.target.http import HttpConfig, HttpTarget
from uns.target.target import Ending, Outcome

pytestmark = pytest.mark.slow


@asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """A server with one handler."""
    application = web.Application()
    application.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/post"
    finally:
        await runner.cleanup()


async def outcome_of(url: str, message: Any, **words: Any) -> Outcome:
    """One delivery."""
    target = HttpTarget("erp", HttpConfig(type="http", url=url, timeout_s=1, **words), Path())
    await target.open()
    try:
        return await target.deliver(message("confirm:line/1:PO-Ü:7"))
    finally:
        await target.close()


async def test_what_is_posted_is_a_cloudevent_with_its_key(message: Any) -> None:
    """Content type, key, token and body, as the other end sees them."""
    seen: dict[str, str] = {}

    async def take(request: web.Request) -> web.Response:
        seen.update(request.headers, body=(await request.read()).decode(), method=request.method)
        return web.Response(status=202)

    async with serving(take) as url:
        outcome = await outcome_of(url, message, bearer="hush", headers={"X-Plant": "leeds"})
    assert Ending.DONE is outcome.ending
    assert {
        "method": "POST",
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "Idempotency-Key": "confirm:line/1:PO-%C3%9C:7",
        "Authorization": "Bearer hush",
        "X-Plant": "leeds",
        "body": message("confirm:line/1:PO-Ü:7").body,
    }.items() <= seen.items()


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        *((status, Ending.DONE) for status in (200, 201, 202, 204, 409)),
        *((status, Ending.RETRY) for status in (408, 425, 429, 500, 502, 503, 504)),
        *((status, Ending.RETRY) for status in (301, 302, 307, 401, 403, 407)),
        *((status, Ending.DEAD) for status in (400, 404, 405, 413, 415, 418, 422)),
    ],
)
async def test_an_answer_leads_to(message: Any, status: int, ending: Ending) -> None:
    """Taken, later, repair, or never: as docs/reference/targets/http.md says."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="" if status == 204 else "because\nof this")

    async with serving(answer) as url:
        outcome = await outcome_of(url, message)
    assert ending is outcome.ending
    assert ending is Ending.DONE or f"answers {status}" in outcome.said
    assert ending is not Ending.DEAD or "because of this" in outcome.said


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("7", 7.0), ("999999", 3600.0), ("soon", None), ("-3", None), ("", None)],
)
async def test_retry_after_is_heeded_and_bounded(
    message: Any, after: str, seconds: float | None
) -> None:
    """Seconds up to an hour; nonsense is nothing."""

    async def busy(_request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": after})

    async with serving(busy) as url:
        assert seconds == (await outcome_of(url, message)).retry_after_s


async def test_retry_after_may_be_a_date(message: Any) -> None:
    """By the other end's clock."""

    async def busy(_request: web.Request) -> web.Response:
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        return web.Response(status=429, headers={"Retry-After": at})

    async with serving(busy) as url:
        wanted = (await outcome_of(url, message)).retry_after_s
    assert wanted is not None
    assert 50 <= wanted <= 61


async def test_a_lost_answer_is_unknown_and_sending_again_is_safe(
    erp: ErpStandIn, message: Any
) -> None:
    """The ERP has booked; the key makes the second attempt harmless."""
    erp.faults.lose_answers = 1
    first = await outcome_of(erp.url, message)
    second = await outcome_of(erp.url, message)
    assert (Ending.UNKNOWN, Ending.DONE) == (first.ending, second.ending)
    assert "may have arrived" in first.said
    assert (1, 1) == (erp.confirmations_received, erp.duplicates)


async def test_an_answer_that_takes_too_long_is_unknown(message: Any) -> None:
    """Nobody knows what a silent server has done."""

    async def sleep(_request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    async with serving(sleep) as url:
        assert Ending.UNKNOWN is (await outcome_of(url, message)).ending


async def test_a_redirect_is_not_followed(message: Any) -> None:
    """It would show our token to somebody else."""
    asked = 0

    async def redirect(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with serving(redirect) as url:
        outcome = await outcome_of(url, message)
    assert (1, Ending.RETRY) == (asked, outcome.ending)
    assert "points to /elsewhere" in outcome.said


async def test_an_endless_answer_is_cut(message: Any) -> None:
    """An error page may be large; what is shown of it is a line."""

    async def pour(_request: web.Request) -> web.Response:
        return web.Response(status=400, body=b"x" * 3_000_000)

    async with serving(pour) as url:
        outcome = await outcome_of(url, message)
    assert Ending.DEAD is outcome.ending
    assert len(outcome.said) < 500


async def test_a_peer_that_speaks_no_http_is_unknown(message: Any) -> None:
    """It took the bytes, and what it did with them is not known."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await outcome_of(f"http://127.0.0.1:{port}/", message)
    server.close()
    await server.wait_closed()
    assert Ending.UNKNOWN is outcome.ending
