"""A Sparkplug payload: encode and decode.

`decode` takes what peers really send; `encode` writes what the specification says. Both are
the thorough way and cost microseconds per metric. The paths that carry plant data by the
million are `uns.sparkplug.compiled` (edge node) and `uns.sparkplug.plain` (host).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from uns.sparkplug.decoder import Known, MetricReader
from uns.sparkplug.encoder import fill_metric
from uns.sparkplug.envelope import LIMITS, Limits, compress, parse
from uns.sparkplug.extensions import Extension, extend, extensions_of, has_extensions
from uns.sparkplug.metrics import Metric
from uns.sparkplug.profile import SPEC, WireProfile
from uns.sparkplug.wire import PayloadMessage

__all__ = ["LIMITS", "Limits", "Metric", "Payload", "decode", "encode"]

_NOTHING: Known = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Payload:
    """The payload of one Sparkplug message; None stands for what is absent on the wire."""

    timestamp_ms: int | None = None
    metrics: tuple[Metric, ...] = ()
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None
    extensions: tuple[Extension, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with single metrics, in words."""
        return tuple(f"{m.label}: {m.problem}" for m in self.metrics if m.problem)

    def find(self, name: str) -> Metric | None:
        """The metric called `name`, if there is one."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def encode(payload: Payload, *, profile: WireProfile = SPEC, datatypes: bool = True) -> bytes:
    """The bytes of a payload; raises ValueError where a value does not fit its datatype.

    `datatypes=False` leaves them out, as NDATA and DDATA should
    (tck-id-payloads-metric-datatype-not-req). What `decode` found can be passed on: fields of
    others' making are written back.
    """
    message = PayloadMessage()
    for name, value in (
        ("timestamp", payload.timestamp_ms),
        ("seq", payload.seq),
        ("uuid", payload.uuid),
        ("body", payload.body),
    ):
        if value is not None:
            setattr(message, name, value)  # zero too: tck-id-payloads-sequence-num-always-included
    for metric in payload.metrics:
        entry = message.metrics.add()
        fill_metric(entry, metric, profile, datatypes=datatypes)
        extend(entry, metric.extensions)
    extend(message, payload.extensions)
    data: bytes = message.SerializeToString()
    return compress(data, profile.compress, payload.seq) if profile.compress else data


def decode(data: bytes, *, known: Known = _NOTHING, limits: Limits = LIMITS) -> Payload:
    """The payload in these bytes; compressed ones are inflated.

    `known` gives the datatypes of births, by alias and by name. A metric that cannot be read
    keeps its place and says so in `problem`. Raises PeerProtocolError where the bytes are no
    payload at all, or pass `limits`.
    """
    message = parse(data, limits)
    is_extended = has_extensions(message)
    read = MetricReader(known, limits).metric
    metrics = (read(metric) for metric in message.metrics)
    if is_extended:
        pairs = zip(metrics, message.metrics, strict=True)
        metrics = (replace(metric, extensions=extensions_of(entry)) for metric, entry in pairs)
    return Payload(
        timestamp_ms=message.timestamp if message.HasField("timestamp") else None,
        metrics=tuple(metrics),
        seq=message.seq if message.HasField("seq") else None,
        uuid=_text(message.uuid) if message.HasField("uuid") else None,
        body=message.body if message.HasField("body") else None,
        extensions=extensions_of(message, is_deep=False) if is_extended else (),
    )


def _text(raw: str | bytes) -> str:
    """A text of no consequence, whatever its bytes."""
    return raw if isinstance(raw, str) else raw.decode(errors="replace")
