"""Sparkplug codecs of others, measured in the same run: each in the environment that it pins."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from table import Row

# module to measure, distribution, variable that names its virtual environment
_PEERS = (
    ("pysparkplug", "pysparkplug", "UNS_PEERS_VENV"),
    ("mqtt_spb_wrapper", "mqtt-spb-wrapper", "UNS_SPB_WRAPPER_VENV"),
)
_SCRIPT = Path(__file__).with_name("codec_peer.py")
_DEADLINE_S = 120


def peer_rows(
    mix: Sequence[tuple[str, Any]],
    messages: Sequence[bytes],
    start_ms: int,
    *,
    ours_encode_s: float,
    ours_decode_s: float,
) -> Iterator[Row]:
    """A row for each library and direction; seconds per metric of ours give the ratio.

    `mix` names the datatype and value of each metric of a message, `messages` are our own.
    """
    request = {"mix": mix, "messages": [m.hex() for m in messages], "start_ms": start_ms}
    for module, name, variable in _PEERS:
        folder = os.environ.get(variable, "")
        python = Path(folder) / "bin" / "python"
        if not folder or not python.exists():
            yield Row("Sparkplug codec", f"{name}: not measured", f"{variable} names no venv", "")
            continue
        answer = _measured(python, module, request)
        label = f"{name} {answer['version']} (protobuf {answer['protobuf']})"
        yield _row(f"encode: {label}, build and encode", answer["encode_s"], ours_encode_s)
        yield _row(f"decode: {label}", answer["decode_s"], ours_decode_s)


def _measured(python: Path, module: str, request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), str(_SCRIPT), module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    if done.returncode:
        raise RuntimeError(f"{module} in {python}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _row(what: str, cpu_s: float, ours_s: float) -> Row:
    rate = f"{1 / cpu_s / 1e6:.3f} M metrics/s; ours {cpu_s / ours_s:.0f} times"
    return Row("Sparkplug codec", what, rate, f"{cpu_s * 1e6:.3f} µs/metric")
