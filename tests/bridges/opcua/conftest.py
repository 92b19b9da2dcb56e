"""A simulated OPC UA server with one tag of each kind, and a driver that is connected to it."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bridges.driver import BoundTag
from bridges.opcua import OpcUaConfig, OpcUaDriver
from uns.metric import DataType, Reading
from uns.sim.opcua_server import OpcUaServer, ServedTag

MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules")).absolute()
START_S = 60.0  # the first start of node-opcua makes certificates
NAMESPACE = "urn:test:filler"
TAGS = [
    ServedTag("Speed", DataType.DOUBLE, 1.5, True),
    ServedTag("Good", DataType.UINT32, 7, True),
    ServedTag("Running", DataType.BOOLEAN, True, True),
    ServedTag("Recipe", DataType.STRING, "Größe 1", True),
    ServedTag("Since", DataType.DATETIME, 1_767_868_200_123, True),
    ServedTag("Small", DataType.INT8, -5, True),
    ServedTag("Serial", DataType.UINT64, 2**63, False),
    ServedTag(1004, DataType.INT16, 42, True),
]


class Collected:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[list[Reading]] = []
        self.signs = 0

    def readings(self, batch: Sequence[Reading]) -> None:
        self.batches.append(list(batch))

    def alive(self) -> None:
        self.signs += 1

    async def ready(self) -> None:
        pass

    @property
    def values(self) -> dict[int, tuple]:
        """The latest reading of each handle, without it."""
        return {reading[0]: reading[1:] for batch in self.batches for reading in batch}


def bound(config: OpcUaConfig, *addresses: str, every: bool = False) -> list[BoundTag]:
    """Tags at these addresses, with handles from 100 and the shortest scan."""
    return [
        BoundTag(100 + n, OpcUaDriver.parse(text, config), DataType.FLOAT, 0.05, every)
        for n, text in enumerate(addresses)
    ]


@pytest.fixture
async def server() -> AsyncIterator[OpcUaServer]:
    async with OpcUaServer(NAMESPACE, TAGS) as running:
        yield running


@pytest.fixture
async def driver(server: OpcUaServer) -> AsyncIterator[OpcUaDriver]:
    config = OpcUaConfig(endpoint=server.endpoint, namespace=NAMESPACE, publishing_s=0.05)
    opened = OpcUaDriver(config)
    await opened.open()
    yield opened
    await opened.close()


class Certificates:
    """Makes certificates: of an authority, signed by it, or by themselves."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.authority = self.made(name="Plant CA", is_authority=True)

    def made(
        self, name: str = "plc", days: int = 30, hosts: Sequence[str] = (), *,
        is_authority: bool = False, signed: bool = False,
    ) -> bytes:  # fmt: skip
        """One certificate that ends in `days`; `signed` by the authority."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.load_der_x509_certificate(self.authority).subject if signed else subject
        ends = datetime.now(UTC) + timedelta(days=days)
        builder = x509.CertificateBuilder(
            issuer, subject, self.key.public_key(), x509.random_serial_number(),
            ends - timedelta(days=60), ends,
        )  # fmt: skip
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        names = [x509.DNSName(host) for host in hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
def tags_at():
    """`bound`, as a fixture: tests do not import from here."""
    return bound


@pytest.fixture
async def collecting(driver: OpcUaDriver):
    """A function that starts the driver's `run` and returns where its readings go."""
    tasks: list[asyncio.Task[None]] = []

    def start() -> Collected:
        sink = Collected()
        tasks.append(asyncio.create_task(driver.run(sink)))
        return sink

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="session")
def node_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node-opcua server with a page of variables; its state stays in a folder of the test."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (MODULES / "node-opcua").is_dir():
        pytest.skip("npm package node-opcua is not installed in UNS_NODE_MODULES")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    script = Path(__file__).with_name("node_server.js")
    home = tmp_path_factory.mktemp("node-opcua")
    process = subprocess.Popen(
        ["node", str(script), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NODE_PATH": str(MODULES), "HOME": str(home)},
    )
    try:
        _wait_until_ready(process)
        yield f"opc.tcp://127.0.0.1:{port}/UA/Plant"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    said = ""
    while "READY" not in said:
        readable, _, _ = select.select([process.stdout], [], [], START_S)
        assert readable, said
        line = process.stdout.readline()
        assert line, said
        said += line
