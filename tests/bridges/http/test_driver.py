"""The HTTP driver against real servers: Python's own, aiohttp, nginx, and our MTConnect agent."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiohttp import web

from bridges.driver import BoundTag, CanReadNow, CanResume
from bridges.http import HttpConfig, HttpDriver
from bridges.http.mtconnect import Agent
from bridges.http.session import HttpSession
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sim.mtconnect_agent import MtConnectAgent

pytestmark = pytest.mark.slow

MTCONNECT_CURRENT = """<?xml version="1.0" encoding="UTF-8"?>
<m:MTConnectStreams xmlns:m="urn:mtconnect.org:MTConnectStreams:1.3">
  <m:Header creationTime="2026-01-08T10:30:01Z" instanceId="1" nextSequence="8" firstSequence="1" lastSequence="7"/>
  <m:Streams><m:DeviceStream name="Mill" uuid="m1">
    <m:ComponentStream component="Linear" name="X" componentId="x">
      <m:Samples><m:Load dataItemId="x_load" sequence="7" timestamp="2026-01-08T10:30:00.500Z">42.5</m:Load></m:Samples>
      <m:Events><m:Execution dataItemId="exec" sequence="3" timestamp="2026-01-08T10:29:00Z">ACTIVE</m:Execution>
        <m:Program dataItemId="prog" sequence="2" timestamp="2026-01-08T10:28:00Z">UNAVAILABLE</m:Program></m:Events>
      <m:Condition><m:Fault dataItemId="x_temp" sequence="5" timestamp="2026-01-08T10:29:30Z" type="TEMPERATURE">hot</m:Fault></m:Condition>
    </m:ComponentStream></m:DeviceStream></m:Streams>
</m:MTConnectStreams>"""


@pytest.fixture
async def serve():
    """Start an aiohttp server whose answers are a function of the request; gives its url."""
    runners = []

    async def start(answer):
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _opened(config, *texts, datatype=DataType.DOUBLE, cursor=None):
    driver = HttpDriver(config)
    driver.resume(cursor)
    try:
        await driver.open()
        tags = [BoundTag(n, HttpDriver.parse(t, config), datatype) for n, t in enumerate(texts)]
        await driver.bind(tags)
        yield driver
    finally:
        await driver.close()
        await driver.close()


def _shown(readings):
    return {handle: (value, quality) for handle, value, quality, _ in readings}


async def test_one_request_serves_every_tag_of_a_document(serve):
    """JSON, XML and plain answers, their time, and what is not there."""
    asked = []

    async def answer(request):
        asked.append(request.path_qs)
        if request.path == "/x.xml":
            return web.Response(text="<a><Speed v='5'>7,5</Speed></a>")
        if request.path == "/count":
            return web.Response(text=" 12\n")
        return web.json_response({"ts": "2026-01-08T10:30:00.5Z", "a": [1.5, True, None], "w": "9"})

    config = HttpConfig(url=await serve(answer), timestamp="$.ts")
    texts = ["/j $.a[0]", "/j $.a[1]", "/j $.a[2]", "/j $.b", "/x.xml /a/Speed/@v", "/count"]
    async with _opened(config, *texts, "/j $.w", "/x.xml //Speed") as driver:
        readings = await driver.read(range(8))
        good, bad = Quality.GOOD, Quality.BAD
        assert {
            0: (1.5, good),
            1: (True, good),
            2: (None, bad),
            3: (None, bad),
            4: (5, good),
            5: (12, good),
            6: (9, good),
            7: ("7,5", good),
        } == _shown(readings)
        assert 1_767_868_200_500 == {r[0]: r[3] for r in readings}[0]
        assert ["/count", "/j", "/x.xml"] == sorted(asked)
        assert isinstance(driver, CanReadNow)
        assert [(0, 1.5)] == [reading[:2] for reading in await driver.read_now([0])]


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (web.Response(status=404), "404 Not Found"),
        (web.Response(status=503), "503 Service Unavailable"),
        (web.Response(status=302, headers={"Location": "/login"}), "sends us to `/login`"),
        (web.Response(text="<html>"), "no JSON"),
        (web.Response(text="[" * 15_000), "no JSON"),
        (web.Response(body=b"x" * 50_000), "longer than"),
        (web.Response(text="x", headers={"Content-Encoding": "gzip"}), "compresses"),
    ],
)
async def test_what_one_request_gets_concerns_its_tags(serve, caplog, response, said):
    """Bad, once in the log, and the neighbour's document is read."""

    async def answer(request):
        copy = web.Response(status=response.status, body=response.body, headers=response.headers)
        return copy if request.path == "/bad" else web.json_response({"a": 1})

    config = HttpConfig(url=await serve(answer), max_bytes=20_000)
    async with _opened(config, "/bad $.a", "/good $.a") as driver:
        for _ in range(3):
            readings = _shown(await driver.read([0, 1]))
            assert {0: (None, Quality.BAD), 1: (1, Quality.GOOD)} == readings
        assert [0] == list(driver.problems)
        assert said in driver.problems[0]
    told = [record.getMessage() for record in caplog.records if said in record.getMessage()]
    assert 1 == len(told)


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE a [<!ENTITY x "' + "y" * 100 + '">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        "<a>" * 50_000,
        "<a",
    ],
)
async def test_hostile_xml_is_refused(serve, caplog, bomb):
    """No entities, no document types, no endless nesting: the tag is Bad, the reason is told."""

    async def answer(_request):
        return web.Response(text=bomb)

    async with _opened(HttpConfig(url=await serve(answer)), "/x //a") as driver:
        assert {0: (None, Quality.BAD)} == _shown(await driver.read([0]))
    assert "XML" in caplog.text


@pytest.mark.parametrize("status", [401, 403])
async def test_a_login_that_is_refused_ends_the_session_in_words(serve, status):
    """What is refused and where to look."""

    async def answer(_request):
        return web.Response(status=status)

    config = HttpConfig(url=await serve(answer), auth={"user": "ops", "password": "x"})
    async with _opened(config, "/a") as driver:
        with pytest.raises(DeviceError, match=f"does not let us in: {status}") as caught:
            await driver.read([0])
    assert "auth" in caught.value.hint


async def test_logins_reach_the_server(serve):
    """Basic, bearer and other headers, as they are written."""
    heard = []

    async def answer(request):
        heard.append((request.headers.get("Authorization"), request.headers.get("X-Key")))
        return web.json_response(1)

    url = await serve(answer)
    basic = "Basic " + base64.b64encode(b"ops:geheim").decode()
    for settings in (
        {"auth": {"user": "ops", "password": "geheim"}},
        {"token": "t0"},
        {"headers": {"X-Key": "k"}},
    ):
        async with _opened(HttpConfig(url=url, **settings), "/a") as driver:
            await driver.read([0])
    assert [(basic, None), ("Bearer t0", None), (None, "k")] == heard


async def test_a_server_that_is_silent_or_gone_ends_the_session(serve, free_port):
    """Too slow, endless, or nobody there: a sentence within the time-out."""

    async def answer(request):
        if request.path == "/slow":
            await asyncio.sleep(30)
        endless = web.StreamResponse()
        await endless.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await endless.write(b"1")
                await asyncio.sleep(0.05)
        return endless

    url = await serve(answer)
    for path in ("/slow", "/endless"):
        began = time.monotonic()
        async with _opened(HttpConfig(url=url, timeout_s=0.5), path) as driver:
            with pytest.raises(DeviceError, match=r"did not answer .* within 0.5 s"):
                await driver.read([0])
        assert time.monotonic() - began < 5
    async with _opened(HttpConfig(url=f"http://127.0.0.1:{free_port}"), "/a") as driver:
        with pytest.raises(DeviceError, match="cannot be reached: connection refused"):
            await driver.read([0])
    async with _opened(HttpConfig(url=url.replace("http:", "https:")), "/a") as driver:
        with pytest.raises(DeviceError, match="TLS"):
            await driver.read([0])


async def test_pythons_own_server_is_read():
    """http.server, which shares nothing with us, with an ifm master's and a community answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers = {
                "/iolinkmaster/port[1]/iolinkdevice/pdin/getdata": '{"cid":-1,"data":{"value":"03B1FF80"},"code":200}',
                "/iolinkmaster/port[2]/iolinkdevice/pdin/getdata": '{"cid":-1,"code":503}',
                "/iolink/v1/devices/master1port1/processdata/getdata/value": '{"ioLink":{"valid":true,"value":[3,177,255,128]}}',
                "/iolink/v1/devices/master1port2/processdata/getdata/value": '{"iolink":{"valid":false,"value":[0]}}',
            }
            body = answers.get(self.path, "{}").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        texts = ["1/1/pdin 0:INT", "1/1/pdin 3.7", "1/1/pdin 3.6", "1/1/pdin 3:INT", "1/2/pdin"]
        for preset in ("ifm", "iolink"):
            async with _opened(HttpConfig(url=url, preset=preset), *texts) as driver:
                good, bad = Quality.GOOD, Quality.BAD
                expected = {0: (945, good), 1: (True, good), 2: (False, good)}
                expected |= {3: (None, bad), 4: (None, bad)}
                assert expected == _shown(await driver.read(range(5)))
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


async def test_nginx_serves_mtconnect_as_files(tmp_path, free_port):
    """A canned `current` of an agent, by nginx: samples, events, conditions, UNAVAILABLE."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed (Debian package nginx-light)")
    for name in ("current", "probe"):
        (tmp_path / name).write_text(MTCONNECT_CURRENT)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;"
        f" fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;"
        f" server {{ listen 127.0.0.1:{free_port}; root {tmp_path}; default_type text/xml; }} }}\n"
    )
    process = await asyncio.create_subprocess_exec(
        nginx, "-e", f"{tmp_path}/log", "-c", str(tmp_path / "nginx.conf")
    )
    try:
        config = HttpConfig(url=f"http://127.0.0.1:{free_port}", preset="mtconnect")
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", free_port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        driver = HttpDriver(config)
        await driver.open()
        items = {"x_load": DataType.FLOAT, "exec": DataType.STRING, "prog": DataType.STRING}
        items |= {"x_temp": DataType.STRING, "none": DataType.FLOAT}
        await driver.bind(
            [
                BoundTag(n, HttpDriver.parse(item, config), kind)
                for n, (item, kind) in enumerate(items.items())
            ]
        )
        readings = {reading[0]: reading[1:] for reading in await driver.read(range(5))}
        assert (42.5, Quality.GOOD, 1_767_868_200_500) == readings[0]
        assert ["ACTIVE", None, "Fault", None] == [readings[n][0] for n in (1, 2, 3, 4)]
        assert [Quality.BAD, Quality.BAD] == [readings[n][1] for n in (2, 4)]
        await driver.close()
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 5)


# ---------------------------------------------------------------- an agent that counts


async def _agent(serve, agents):
    async def answer(request):
        agent = agents[0]
        if request.path == "/sample":
            status, text = agent.sample(int(request.query["from"]), int(request.query["count"]))
            return web.Response(text=text, status=status)
        return web.Response(text=agent.probe() if request.path == "/probe" else agent.current())

    return HttpConfig(url=await serve(answer), preset="mtconnect")


def _counts(readings, handle=0):
    return [value for number, value, _, _ in readings if number == handle]


async def test_nothing_an_agent_said_is_lost_or_told_twice(serve):
    """Over scans, over a new session with the cursor, and with more than one answer holds."""
    agent = MtConnectAgent(["n", "still"])
    agent.observe("still", 5, 1)
    config = await _agent(serve, [agent])
    number = 0

    def go_on(steps):
        nonlocal number
        for _ in range(steps):
            number += 1
            agent.observe("n", number, 1_800_000_000_000 + number)

    heard = []
    go_on(3)
    async with _opened(config, "n", "still") as driver:
        assert isinstance(driver, CanResume)
        first = await driver.read([0, 1])
        assert {0: (3, Quality.GOOD), 1: (5, Quality.GOOD)} == _shown(first)
        for steps in (0, 1, 5, 0):
            go_on(steps)
            readings = await driver.read([0, 1])
            heard += [value for value in _counts(readings) if value > 3]
        cursor = driver.cursor
    go_on(2500)
    async with _opened(config, "n", "still", cursor=cursor) as driver:
        for _ in range(2):
            heard += _counts(await driver.read([0, 1]))
    assert list(range(4, number + 1)) == sorted(set(heard))
    assert sorted(heard) == heard


async def test_reading_an_agent_begins_when_the_session_is_opened(serve):
    """A process that was killed before it read anything leaves no gap to the next."""
    agent = MtConnectAgent(["n"])
    config = await _agent(serve, [agent])
    agent.observe("n", 1, 1)
    async with _opened(config, "n") as driver:
        cursor = driver.cursor
    agent.observe("n", 2, 2)
    agent.observe("n", 3, 3)
    async with _opened(config, "n", cursor=cursor) as driver:
        assert cursor == driver.cursor
        assert [2, 3] == _counts(await driver.read([0]))


async def test_a_data_item_that_an_agent_does_not_have_is_named(serve, caplog):
    """Once in the log, and among the problems; the others are read."""
    agent = MtConnectAgent(["n"])
    agent.observe("n", 5, 1)
    async with _opened(await _agent(serve, [agent]), "n", "nosuch") as driver:
        for _ in range(2):
            readings = _shown(await driver.read([0, 1]))
            assert {0: (5, Quality.GOOD), 1: (None, Quality.BAD)} == readings
        assert {1: "no data item `nosuch`"} == driver.problems
    assert 1 == caplog.text.count("nosuch")


async def test_an_agent_is_seldom_asked_for_what_it_does_not_have(serve, tmp_path):
    """Not in every scan: after 10 s, 20 s, 40 s, then once a minute; for a new tag at once."""
    source, asked, now_s = MtConnectAgent(["n"]), [], 1_000.0
    source.observe("n", 5, 1)

    async def answer(request):
        if request.path == "/sample":
            return web.Response(text=source.sample(int(request.query["from"]), 100)[1])
        asked.append(now_s)
        return web.Response(text=source.current())

    config = HttpConfig(url=await serve(answer), preset="mtconnect")
    session = HttpSession(config, tmp_path)
    session.open()
    try:
        agent = Agent(session, "agent", lambda: now_s)
        for handle, item in enumerate(("n", "nosuch")):
            address = HttpDriver.parse(item, config)
            agent.follow(BoundTag(handle, address, DataType.DOUBLE))
        for _ in range(200):
            assert {1: (None, Quality.BAD)}.items() <= _shown(await agent.read([0, 1])).items()
            now_s += 1.0
        assert [1_000.0, 1_010.0, 1_030.0, 1_070.0, 1_130.0, 1_190.0] == asked
        agent.follow(BoundTag(2, HttpDriver.parse("n", config), DataType.DOUBLE))
        assert (5, Quality.GOOD) == _shown(await agent.read([0, 1, 2]))[2]
        assert [1_190.0, 1_200.0] == asked[-2:]
    finally:
        await session.close()


async def test_asking_an_agent_out_of_turn_takes_nothing_from_the_next_scan(serve):
    """How things are, at the start of a session that goes on too, and then every step up to it."""
    agent = MtConnectAgent(["n", "still"])
    config = await _agent(serve, [agent])
    agent.observe("n", 1, 1)
    agent.observe("still", 5, 1)
    async with _opened(config, "n", "still") as driver:
        await driver.read([0, 1])
        cursor = driver.cursor
        agent.observe("n", 2, 2)
        agent.observe("n", 3, 3)
        assert [3] == _counts(await driver.read_now([0]))
        assert [2, 3] == _counts(await driver.read([0, 1]))
    agent.observe("n", 4, 4)
    async with _opened(config, "n", "still", cursor=cursor) as driver:
        now = await driver.read_now([0, 1])
        assert [(0, 4, Quality.GOOD, 4), (1, 5, Quality.GOOD, 1)] == now
        assert [2, 3, 4] == _counts(await driver.read([0, 1]))


async def test_what_an_agent_observes_while_it_is_asked_is_told_step_by_step(serve):
    """A tag that is new to the session has `current` read, and costs the others nothing."""
    agent = MtConnectAgent(["n", "still"])
    agent.observe("n", 1, 1)
    agent.observe("still", 5, 1)

    async def answer(request):
        if request.path == "/sample":
            return web.Response(text=agent.sample(int(request.query["from"]), 100)[1])
        if request.path == "/current":
            for _ in range(3):
                number = agent._next
                agent.observe("n", number, number)
        return web.Response(text=agent.probe() if request.path == "/probe" else agent.current())

    config = HttpConfig(url=await serve(answer), preset="mtconnect")
    async with _opened(config, "n", "still") as driver:
        await driver.read([0])
        cursor = driver.cursor
    async with _opened(config, "n", "still", cursor=cursor) as driver:
        readings = await driver.read([0, 1])
        assert [9, 10, 11] == _counts(readings)
        assert [5] == _counts(readings, 1)


async def test_an_agent_that_began_anew_or_forgot_is_read_from_now(serve, caplog):
    """Another instance, or a buffer too small: told in words, and the value of now is there."""
    agents = [MtConnectAgent(["n"], size=5)]
    config = await _agent(serve, agents)
    agents[0].observe("n", 1, 1)
    async with _opened(config, "n") as driver:
        assert [1] == _counts(await driver.read([0]))
        for value in range(2, 50):
            agents[0].observe("n", value, value)
        assert [49] == _counts(await driver.read([0]))
        assert "cannot go on from observation 2" in caplog.text
        agents[0] = MtConnectAgent(["n"])
        agents[0].observe("n", 7, 7)
        agents[0].observe("n", 8, 8)
        for _ in range(60):
            agents[0].observe("n", 9, 9)
        assert 9 == _counts(await driver.read([0]))[-1]
    assert "began anew" in caplog.text


async def test_what_is_no_agent_says_so(serve):
    """A web page at the url is told apart from an agent."""

    async def answer(_request):
        return web.Response(text="<html><body>Welcome</body></html>")

    config = HttpConfig(url=await serve(answer), preset="mtconnect")
    with pytest.raises(DeviceError, match="no MTConnect agent"):
        async with _opened(config, "n"):
            pass
