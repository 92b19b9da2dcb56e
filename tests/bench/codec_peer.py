"""The codec of another Python library on the same metrics; runs in a virtual environment of its own.

python codec_peer.py pysparkplug|mqtt_spb_wrapper < request > answer, both JSON. Each library
gets what is fastest for it: pysparkplug aliases without datatypes, as our messages are, and
those to decode; mqtt-spb-wrapper, which knows no aliases, names, and only its parser to decode.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from table import best_cpu_s

Mix = Sequence[tuple[str, Any]]
Work = Callable[[], object]


def pysparkplug(mix: Mix, messages: Sequence[bytes], start_ms: int) -> tuple[Work, Work]:
    """What `EdgeNode.update_device` does up to the socket, and `Client` from it on."""
    import pysparkplug as psp

    kinds = [(psp.DataType[kind.upper()], value) for kind, value in mix]

    def metrics(at: int, *, is_birth: bool = False) -> tuple[Any, ...]:
        return tuple(
            psp.Metric(at, f"tag{i}" if is_birth else None, kind, value=value, alias=i + 1)
            for i, (kind, value) in enumerate(kinds)
        )

    birth = psp.DBirth(start_ms, 1, metrics(start_ms, is_birth=True))

    def encode() -> None:
        for turn in range(len(messages)):
            psp.DData(start_ms, turn, metrics(start_ms + turn)).encode()

    def decode() -> None:
        for message in messages:
            psp.DData.decode(message, birth=birth)

    return encode, decode


def mqtt_spb_wrapper(mix: Mix, messages: Sequence[bytes], start_ms: int) -> tuple[Work, Work]:
    """What `publish_data` does up to the socket, and `SpbPayloadParser` from it on."""
    from mqtt_spb_wrapper import MetricDataType, SpbEntity, SpbPayloadParser

    entity = SpbEntity("acme", "line1", "filler")
    for i, (kind, value) in enumerate(mix):
        kind_code = getattr(MetricDataType, kind)
        entity.data.set_value(f"tag{i}", value, start_ms, spb_data_type=kind_code)
    names = [f"tag{i}" for i in range(len(mix))]

    def once(turn: int) -> bytes:
        for name, (_, value) in zip(names, mix, strict=True):
            entity.data.set_value(name, value, start_ms + turn)
        return bytes(entity.serialize_payload_data(send_all=True))

    theirs = [once(turn) for turn in range(len(messages))]

    def encode() -> None:
        for turn in range(len(messages)):
            once(turn)

    def decode() -> None:
        for message in theirs:
            assert SpbPayloadParser(message).payload  # it swallows what it cannot read

    return encode, decode


def main() -> None:
    """Measure one library and print CPU seconds per metric."""
    library = sys.argv[1]
    request = json.load(sys.stdin)
    messages = [bytes.fromhex(text) for text in request["messages"]]
    make = {"pysparkplug": pysparkplug, "mqtt_spb_wrapper": mqtt_spb_wrapper}[library]
    encode, decode = make(request["mix"], messages, request["start_ms"])
    total = len(messages) * len(request["mix"])
    answer = {
        "version": importlib.metadata.version(library),
        "protobuf": importlib.metadata.version("protobuf"),
        "encode_s": best_cpu_s(encode, rounds=5) / total,
        "decode_s": best_cpu_s(decode, rounds=5) / total,
    }
    print(json.dumps(answer))


main()
