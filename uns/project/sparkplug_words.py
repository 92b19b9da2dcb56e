"""The words of `sparkplug`: how our edge nodes speak, and where others' devices belong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from uns.project.quantity import WordError
from uns.project.size import read_size
from uns.project.states import read_states
from uns.project.units import read_unit
from uns.project.words import (
    CounterWords,
    Deliver,
    Duration,
    TagName,
    Words,
    mapping_or,
    or_nothing,
)
from uns.sparkplug.names import id_problem

__all__ = ["BacklogWords", "ForeignWords", "MetricWords", "SparkplugWords"]


def _host_id(text: str) -> str:
    if text and (problem := id_problem(text)):
        raise WordError(
            problem, hint="letters, digits, `_` and `-` are always right", code="UNS108"
        )
    return text


def _renamed(word: Any) -> Any:
    """A bare text is the mapping's `name`."""
    return {"name": word} if isinstance(word, str) else word


class BacklogWords(Words):
    """What our edge nodes keep while nobody can take it, and how fast they hand it in later."""

    size: Annotated[int, BeforeValidator(read_size), Field(gt=0)] = Field(
        256_000_000, description="Disk, at most; the oldest goes first.", examples=["256MB"]
    )
    age: Annotated[Duration, Field(gt=0)] = Field(
        259_200.0, description="Nothing older is kept.", examples=["72h"]
    )
    rate: int = Field(
        20_000, gt=0, description="Values per second handed in later, of all edge nodes together."
    )
    window: Annotated[Duration, Field(gt=0)] = Field(
        15.0,
        description="What was sent so shortly before a connection broke is sent again: "
        "nobody knows whether it arrived.",
        examples=["15s"],
    )


class MetricWords(Words):
    """What a foreign metric is on the tree; what is not said here, its birth says."""

    name: TagName | None = Field(
        None,
        description="Its path below the rule's `path`, instead of the one made from its name.",
        examples=["bowl_pressure", "drive/temp"],
    )
    unit: Annotated[str, BeforeValidator(read_unit)] | None = Field(
        None, description="UCUM code. Default: its property `engUnit`.", examples=["bar"]
    )
    range: tuple[float, float] | None = Field(
        None,
        description="Least and greatest value that is physically possible. Default: its "
        "properties `engLow` and `engHigh`; `null` for none.",
        examples=["[0, 6]"],
    )
    states: Annotated[dict[int, str], BeforeValidator(read_states)] | None = Field(
        None, description="What the numbers mean: `packml`, or a map.", examples=["packml"]
    )
    counter: Annotated[CounterWords | None, mapping_or(True, "or `{rollover: 65536}`")] = Field(
        None, description="A total that only grows.", examples=["true"]
    )
    deliver: Deliver | None = Field(
        None,
        description="`every`: QoS 1. Default: `every` for counters and states, else `latest`.",
        examples=["every"],
    )
    desc: str | None = Field(
        None, description="What it is, for people. Default: its property `documentation`."
    )


class ForeignWords(Words):
    """A rule for devices of others: which they are, and where on the tree they belong."""

    devices: str = Field(
        min_length=1,
        description="`group/edge node/device`, or `group/edge node` for the node's own metrics. "
        "`{name}` captures one level or a part of it, `*` stands for any.",
        examples=['"Plant 1/Line{n}/{device}"'],
    )
    path: str = Field(
        min_length=1,
        description="Below the enterprise; a template of what `devices` captures. A last level "
        "`{metric:filter}` says how the levels of a metric's name are written; `{metric:snake}` "
        "where there is none.",
        examples=['"leeds/packaging/line{n}/{device:snake}"'],
    )
    metrics: Annotated[
        dict[str, Annotated[MetricWords | None, BeforeValidator(_renamed)]],
        BeforeValidator(or_nothing),
    ] = Field(
        default_factory=dict,
        description="Metrics that differ; see metrics of a foreign rule.",
        examples=['{"Inputs/PT 101": {name: bowl_pressure, unit: bar}, "Node Info/*": null}'],
    )
    desc: str = Field("", description="What they are, for people.")


class SparkplugWords(Words):
    """How our edge nodes and host application speak Sparkplug."""

    primary_host: Annotated[str, AfterValidator(_host_id)] = Field(
        "",
        description="Our edge nodes wait for this host application and keep a backlog while it "
        "is away. Default: they wait for nobody.",
        examples=["uns-acme"],
    )
    profile: Literal["spec", "ignition", "node_red"] = Field(
        "spec",
        description="How our edge nodes encode where readers differ: `spec`, `ignition` or "
        "`node_red`.",
        examples=["ignition"],
    )
    aware_broker: bool = Field(
        False,
        description="The broker is Sparkplug-aware and keeps births below `$sparkplug`.",
        examples=["true"],
    )
    backlog: Annotated[BacklogWords, BeforeValidator(or_nothing)] = Field(
        default_factory=BacklogWords,
        description="What is kept while nobody can take it; see backlog.",
        examples=["{size: 256MB, age: 72h, rate: 20000, window: 15s}"],
    )
    foreign: list[ForeignWords] = Field(
        default_factory=list,
        description="Devices of others, and where on the tree they belong. A metric that says "
        "so itself, in a property `uns`, needs no rule.",
    )
