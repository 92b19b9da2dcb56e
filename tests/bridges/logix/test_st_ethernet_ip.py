"""Our simulated controller read by a client that is not ours: st-ethernet-ip, when it is installed.

npm install st-ethernet-ip
UNS_NODE_MODULES=$PWD/node_modules pytest tests/bridges/logix/test_st_ethernet_ip.py
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules"))
PATIENCE_S = 30


async def test_another_client_reads_uploads_and_writes(server, shown):
    """Tags, programs, bits, texts and a structure by its uploaded template; and a write arrives."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (MODULES / "st-ethernet-ip").is_dir():
        pytest.skip("npm package st-ethernet-ip is not installed in UNS_NODE_MODULES")
    script = Path(__file__).with_name("st_ethernet_ip.js")
    process = await asyncio.create_subprocess_exec(
        "node", str(script), str(server.port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NODE_PATH": str(MODULES.resolve())},
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert 0 == process.returncode, said.decode()
    found = json.loads(said)
    assert "1756-L8x simulated by UNS" == found["name"]
    assert {path: shown[path] for path in found["values"]} == found["values"]
    assert {"Speed", "Filler", "Lines", "Step"} <= set(found["tags"])
    assert (40.5, True, False) == tuple(
        found["structure"]["Drive"][name] for name in ("Temp", "On", "Off")
    )
    assert ("Füller", [0, 0, 0, 3]) == (found["structure"]["Name"], found["structure"]["Alarms"])
    assert 4711 == server["Good"]
