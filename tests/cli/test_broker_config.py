"""`uns broker config`: what it prints starts a Mosquitto."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from uns.mqtt import Broker, connect

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


@pytest.mark.slow
@pytest.mark.skipif(not Path(MOSQUITTO).exists(), reason="wants the Debian package mosquitto")
async def test_a_broker_starts_with_what_is_printed(tmp_path: Path) -> None:
    """The configuration is complete: a broker runs with it, and a client gets in."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["broker", "config", "--port", str(port), "--folder", str(tmp_path)]
    told = subprocess.run(
        [sys.executable, "-m", "uns", *words], capture_output=True, text=True, check=True
    )
    assert "max_queued_messages 1000000" in told.stdout
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(told.stdout)
    process = subprocess.Popen([MOSQUITTO, "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        await asyncio.sleep(1)
        session = await connect(Broker.parse(f"mqtt://127.0.0.1:{port}"), "probe")
        assert session.is_connected
        await session.close()
    finally:
        process.terminate()
        process.wait(5)
