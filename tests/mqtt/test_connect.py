"""What an engineer reads when a session does not come about, and what a broker may refuse."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
import time

import pytest

from uns.errors import BrokerError, ProjectError
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.service.broker import MosquittoBroker

pytestmark = pytest.mark.slow


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def _refusal(broker, **settings):
    with pytest.raises(BrokerError) as caught:
        await connect(broker, "uns-test", **settings)
    return caught.value


@pytest.fixture
async def guarded(tmp_path, mosquitto):
    """Mosquitto that knows one user, who may do as he likes below `mine/` only."""
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("needs mosquitto_passwd of the Debian package mosquitto")
    subprocess.run([tool, "-b", "-c", tmp_path / "users", "anna", "right"], check=True)
    (tmp_path / "acl").write_text("user anna\ntopic readwrite mine/#\n")
    settings = (
        "allow_anonymous false",
        f"password_file {tmp_path / 'users'}",
        f"acl_file {tmp_path / 'acl'}",
    )
    for name in ("users", "acl"):
        (tmp_path / name).chmod(0o644)
    async with MosquittoBroker(settings=settings) as broker:
        yield broker


async def test_no_broker():
    """Where nothing listens, the sentence names the address and the hint three ways out."""
    port = _free_port()
    error = await _refusal(Broker("127.0.0.1", port))
    assert f"nothing answers at 127.0.0.1:{port} (connection refused)" == str(error)
    assert "uns demo" in error.hint


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.0 400 Bad request\r\nConnection: close\r\n\r\n", b"\x20\x03\x00\x20\x00"],
)
async def test_what_is_no_broker_is_asked_about(said):
    """Text, or what looks like a refusal without a reason, comes with the question."""

    async def answer(reader, writer):
        await reader.read(1_000)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        error = await _refusal(Broker("127.0.0.1", server.sockets[0].getsockname()[1]))
    assert "is this an MQTT broker" in error.hint


async def test_no_broker_at_localhost():
    """A name with several addresses makes one sentence, not a list of errors."""
    port = _free_port()
    error = await _refusal(Broker("localhost", port))
    assert f"nothing answers at localhost:{port} (connection refused)" == str(error)


async def test_unknown_name():
    """A name that does not resolve is called unknown."""
    error = await _refusal(Broker("no-such-host.invalid"))
    assert "`no-such-host.invalid`" in str(error)


async def test_a_server_that_says_nothing(serve):
    """A server that takes the connection and says nothing is given up at the deadline."""
    broker = await serve(lambda *_: asyncio.sleep(3600))
    began = time.monotonic()
    error = await _refusal(broker, deadline_s=1)
    assert 0.9 < time.monotonic() - began < 4
    assert "did not answer our CONNECT" in str(error)


async def test_a_server_that_hangs_up(serve):
    """A server that closes the connection unread is no MQTT broker, and the hint says so."""

    async def hang_up(_reader, writer):
        writer.close()

    error = await _refusal(await serve(hang_up))
    assert "before it answered our CONNECT" in str(error)
    assert "mqtts://" in error.hint


async def test_a_server_that_speaks_no_mqtt(serve):
    """Bytes that are no MQTT end the session with a sentence, not with a traceback."""

    async def babble(reader, writer):
        await reader.read(1)
        writer.write(b"\x20\xff\xff\xff\xff\xff")
        await writer.drain()

    error = await _refusal(await serve(babble))
    assert "more than four bytes" in str(error)


async def test_wrong_password(guarded):
    """A wrong password is called that, and tried once, not in both versions of MQTT."""
    sent = []
    error = await _refusal(
        Broker("127.0.0.1", guarded.port, "anna", "wrong"), on_connect_sent=lambda: sent.append(1)
    )
    assert "not authorised" in str(error) or "bad user name or password" in str(error)
    assert [1] == sent
    assert error.hint


async def test_a_refused_publish_is_an_error(guarded):
    """In MQTT 5 a refused QoS 1 publish says which topic and why; the session lives on."""
    session = await connect(Broker("127.0.0.1", guarded.port, "anna", "right"), "uns-test")
    with pytest.raises(BrokerError, match=r"`other/a`: not authorised \(0x87\)"):
        await session.publish_all(
            [Message("mine/a", b"", 1), Message("other/a", b"", 1), Message("mine/b", b"", 1)]
        )
    await session.publish(Message("mine/a", b"", 1))
    await session.close()


async def test_a_refused_subscription_is_an_error(embedded):
    """A refused filter is named."""
    session = await connect(Broker.parse(embedded.url), "uns-test")
    with pytest.raises(BrokerError, match=r"subscription to `\$share/g/b`"):
        await session.subscribe([("a", 1), ("$share/g/b", 1)])
    await session.close()


async def test_mqtt_311_where_5_is_refused(embedded):
    """MQTT 5 is asked for first, 3.1.1 where that is refused, each with a will of its own."""
    wills = []

    def will():
        wills.append(1)
        return Message("w", str(len(wills)).encode())

    session = await connect(Broker.parse(embedded.url), "uns-test", will=will)
    assert 4 == session.protocol
    assert 2 == len(wills)
    await session.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1:1884", Broker("127.0.0.1", 1884)),
        ("plant", Broker("plant", 1883)),
        ("mqtts://a%40b:p%3Aw@plant", Broker("plant", 8883, "a@b", "p:w", "mqtts")),
        ("mqtts://plant?cafile=/ca.pem", Broker("plant", 8883, scheme="mqtts", cafile="/ca.pem")),
        ("mqtt://[::1]:1883", Broker("::1", 1883)),
    ],
)
def test_addresses(url, expected):
    """A broker's address is read as people write it."""
    assert expected == Broker.parse(url)


@pytest.mark.parametrize(
    "url", ["http://a:secret@plant", "mqtt://", "mqtt://plant:x", "mqtt://plant?ca=1", "mqtt://h/p"]
)
def test_no_addresses(url):
    """What is no broker's address is refused with the shape of one, and without the password."""
    with pytest.raises(ProjectError) as caught:
        Broker.parse(url)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_broker_hides_its_password():
    """Neither str() nor repr() of a broker shows the password."""
    broker = Broker.parse("mqtt://anna:secret@plant")
    assert "mqtt://anna@plant:1883" == str(broker)
    assert "secret" not in repr(broker)


@pytest.fixture
async def encrypted(tmp_path, mosquitto):
    """Mosquitto behind TLS, with a certificate of an authority of our own."""
    x509 = pytest.importorskip("cryptography.x509", reason="needs the package cryptography")
    _certificates(x509, tmp_path)
    port = _free_port()
    settings = (
        f"listener {port} 127.0.0.1",
        f"certfile {tmp_path / 'server.pem'}",
        f"keyfile {tmp_path / 'server.key'}",
    )
    async with MosquittoBroker(settings=settings):
        yield port


def _certificates(x509, folder):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    now = dt.datetime.now(dt.UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    for subject, its_key, is_ca, path in (
        ("Test CA", ca_key, True, "ca.pem"),
        ("127.0.0.1", key, False, "server.pem"),
    ):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Test CA"))
            .public_key(its_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(ca_key, hashes.SHA256())
        )
        (folder / path).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_tls_with_an_authority_of_our_own(encrypted, tmp_path):
    """`mqtts://…?cafile=` trusts the plant's own authority, and values travel."""
    broker = Broker.parse(f"mqtts://127.0.0.1:{encrypted}?cafile={tmp_path / 'ca.pem'}")
    session = await connect(broker, "uns-test")
    await session.subscribe([("t", 1)])
    await session.publish(Message("t", b"x" * 100_000, 1))
    assert [100_000] == [len(m.payload) for m in await anext(session.batches())]
    await session.close()


async def test_tls_that_is_not_trusted(encrypted):
    """An authority that is not known here is refused, and the hint names `cafile`."""
    error = await _refusal(Broker.parse(f"mqtts://127.0.0.1:{encrypted}"))
    assert "is not trusted" in str(error)
    assert "cafile" in error.hint


async def test_tls_with_a_port_that_has_none(mosquitto):
    """TLS with a plain port says so."""
    error = await _refusal(Broker("127.0.0.1", mosquitto.port, scheme="mqtts"))
    assert "no TLS" in str(error) or "cannot reach" in str(error)


async def test_a_missing_certificate_file():
    """A `cafile` that is not there is named."""
    error = await _refusal(Broker.parse("mqtts://127.0.0.1:1?cafile=/no/ca.pem"))
    assert "/no/ca.pem" in str(error)
