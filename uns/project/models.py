"""The words of a project file: every key an engineer may write, and what it may hold.

The descriptions and examples here are the reference (docs/reference/project-file.md is made
from them). Words are what was typed, read once: `200ms` is 0.2, `REAL` is Float, `1..4` is
four values. What they mean together is decided in uns/project/expand.py.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from uns.metric import DataType
from uns.project.datatypes import read_datatype
from uns.project.machine_words import Assets, Relations, RelationWords, read_relation
from uns.project.quantity import Deadband, read_deadband, read_readback
from uns.project.sparkplug_words import SparkplugWords
from uns.project.states import read_states
from uns.project.units import read_unit
from uns.project.words import (
    BoundName,
    CounterWords,
    DeadbandWords,
    Deliver,
    Duration,
    Filter,
    Name,
    Names,
    Parameter,
    Parameters,
    Series,
    TagName,
    Words,
    mapping_or,
    names_or_none,
    or_nothing,
    read_address,
    read_all_tags,
    read_band,
)
from uns.route.words import RouteWords, TemplateWords

__all__ = [
    "AddressWords",
    "Addresses",
    "AlarmWords",
    "BindingWords",
    "Bound",
    "ConsumerWords",
    "InstanceWords",
    "OverrideWords",
    "ProjectWords",
    "SchemaWords",
    "SiteWords",
    "TagWords",
    "Tags",
    "TypeWords",
    "WriteWords",
]


class AlarmWords(Words):
    """Limits in the tag's unit, from the outside in: `lolo` < `lo` < `hi` < `hihi`."""

    lolo: float | None = Field(None, description="Far too low.", examples=["0"])
    lo: float | None = Field(None, description="Too low.", examples=["1"])
    hi: float | None = Field(None, description="Too high.", examples=["90"])
    hihi: float | None = Field(None, description="Far too high.", examples=["105"])
    delay: Duration | None = Field(
        None, description="How long a limit is passed before it counts.", examples=["5s"]
    )
    hysteresis: Annotated[Deadband, BeforeValidator(read_deadband)] | None = Field(
        None,
        description="How far inside the limit the value must come back before the alarm is over: "
        "in `unit`, or a percentage of `range`.",
        examples=["0.2", "1%"],
    )


class WriteWords(Words):
    """Who may write a tag, and what."""

    roles: list[str] = Field(
        default_factory=list, description="Roles that may write.", examples=["[operator]"]
    )
    range: tuple[float, float] | None = Field(
        None,
        description="Least and greatest value that may be written. Default: the tag's `range`.",
        examples=["[40, 60]"],
    )
    every: Duration | None = Field(
        None,
        description="A write sooner after the last one is refused.",
        examples=["10s"],
    )
    readback: Annotated[float | None, BeforeValidator(read_readback)] = Field(
        None,
        description="The device is asked after a write whether it has the value, for so long at "
        "most; `true` is 5s. Default: it is not asked.",
        examples=["true", "5s"],
    )


class TagWords(Words):
    """A tag: what its value means. Every key may be left out."""

    type: Annotated[DataType, BeforeValidator(read_datatype)] | None = Field(
        None,
        description="Sparkplug's datatypes, or their IEC 61131-3 and OPC UA names. "
        "Default: Float; Int64 for a counter, Int32 for states.",
        examples=["Float", "DINT", "string"],
    )
    unit: Annotated[str, BeforeValidator(read_unit)] | None = Field(
        None,
        description="UCUM code; the usual aliases are understood (`°C` is `Cel`).",
        examples=["bar", '"{bottle}/h"'],
    )
    range: tuple[float, float] | None = Field(
        None,
        description="Least and greatest value that is physically possible, in `unit`.",
        examples=["[0, 6]"],
    )
    alarm: AlarmWords | None = Field(
        None, description="Limits; see alarm.", examples=["{lo: 1, hi: 5}"]
    )
    deadband: Annotated[DeadbandWords, BeforeValidator(read_band)] | None = Field(
        None,
        description="A smaller change is not published: in `unit`, or a percentage of `range`; "
        "or a mapping, see deadband. Not with `deliver: every`.",
        examples=["0.5", "1%", "{change: 1%, time: 5s}"],
    )
    heartbeat: Duration | None = Field(
        None,
        description="Published this often at least, though nothing changed, while the device "
        "vouches for it. Default: 60s, or half of `stale` where that is less.",
        examples=["10s"],
    )
    scan: Duration | None = Field(
        None, description="How often the device is asked. Default: 1s.", examples=["200ms"]
    )
    deliver: Deliver | None = Field(
        None,
        description="`every`: QoS 1, no value is skipped. `latest`: the newest is enough. "
        "Default: `every` for counters and states, else `latest`.",
        examples=["every"],
    )
    stale: Duration | None = Field(
        None,
        description="Not Good any more when nobody vouched for it for so long: neither a value nor "
        "the device's sign of life.",
        examples=["30s"],
    )
    store: bool | None = Field(
        None,
        description="`false`: worth nothing when it is late, so not kept while nobody can take it. "
        "Default: true.",
        examples=["false"],
    )
    counter: Annotated[CounterWords | None, mapping_or(True, "or `{rollover: 65536}`")] = Field(
        None, description="A total that only grows.", examples=["true", "{rollover: 65536}"]
    )
    states: Annotated[dict[int, str], BeforeValidator(read_states)] | None = Field(
        None,
        description="What the numbers mean: `packml`, or a map.",
        examples=["packml", "{0: idle, 1: running}"],
    )
    write: Annotated[WriteWords | None, mapping_or(True, "or `{roles: [operator]}`")] = Field(
        None, description="The tag can be written.", examples=["true", "{roles: [operator]}"]
    )
    scale: tuple[float, float, float, float] | None = Field(
        None,
        description="Raw low, raw high, low, high: a straight line from device to `unit`.",
        examples=["[0, 27648, 0, 6]"],
    )
    calc: str | None = Field(
        None,
        min_length=1,
        description="The value, from other tags of the machine.",
        examples=["100 * good / (good + bad)"],
    )
    is_: str | None = Field(
        None,
        alias="is",
        description="Composition: this is a part of that type, and its tags go below this name.",
        examples=["motor"],
    )
    array: Series | None = Field(
        None,
        description="One tag (or part) for each: `zone` with `1..3` is `zone/1` … `zone/3`; "
        "`{i}` in its address.",
        examples=["1..8"],
    )
    optional: bool | None = Field(
        None, description="A machine may lack it: no warning where no address is bound."
    )
    desc: str | None = Field(None, description="What it is, for people.")
    was: Names | None = Field(
        None, description="What it was called before: a rename, not a new tag.", examples=["speed"]
    )
    semantic_id: str | None = Field(
        None, description="Its meaning in a dictionary (ECLASS, IEC CDD).", examples=["0173-1#02-…"]
    )


class AddressWords(TagWords):
    """A tag in a binding, instance or override: an address as text, or any of these keys."""

    address: str | None = Field(
        None,
        coerce_numbers_to_str=True,
        description="Where the device keeps it, as its own tool prints it; a template.",
        examples=["DB{db}.DBD4:REAL"],
    )
    connection: dict[str, Any] | None = Field(
        None,
        description="Settings that differ from the binding's connection for this tag.",
        examples=["{unit: 2}"],
    )


def _relations() -> Any:
    return Field(
        default_factory=dict,
        description="What it `feeds`, `measures`, `controls` or `energizes`: a machine of the same "
        "line by its name, or any machine, line, area or site by its path; a template. "
        "`null` takes back what the type says.",
        examples=["{feeds: capper}", '{measures: "{site}/packaging/line{n}"}'],
    )


Tags = dict[TagName, Annotated[TagWords, BeforeValidator(or_nothing)]]
Addresses = dict[TagName, Annotated[AddressWords, BeforeValidator(read_address)]]
Bound = dict[BoundName, Annotated[AddressWords, BeforeValidator(read_address)]]


class SiteWords(Words):
    """A site: any keys you like; each is a parameter of every machine there."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Parameter] = Field(init=False)


class TypeWords(Words):
    """A type: what a machine is, once for the whole company."""

    extends: str | None = Field(
        None, description="The type that this one adds to.", examples=["machine"]
    )
    version: int = Field(1, ge=1, description="The major version; raised by a breaking change.")
    abstract: bool = Field(
        default=False, description="Only there to be extended: no machine or part is just this."
    )
    desc: str = Field("", description="What it is, for people.")
    semantic_id: str = Field("", description="Its meaning in a dictionary (ECLASS, IEC CDD).")
    tags: Annotated[Tags, BeforeValidator(or_nothing)] = Field(
        default_factory=dict,
        description="Its tags, by name; `/` or `.` makes a group. Or a tag list: a CSV file.",
        examples=["{speed: {unit: m/s}}", "filler_tags.csv"],
    )
    relations: Relations = _relations()


class BindingWords(Words):
    """A binding: where a vendor keeps the tags, once per vendor and protocol."""

    driver: str = Field(description="The protocol.", examples=["s7", "opcua", "modbus"])
    connection: Annotated[dict[str, Any], BeforeValidator(or_nothing)] = Field(
        default_factory=dict,
        description="The driver's settings; texts are templates. See the driver's page.",
        examples=['{host: "{host}"}'],
    )
    tags: Annotated[Bound, BeforeValidator(read_all_tags)] = Field(
        description="Addresses by tag, where `*` is every other tag; "
        "or one template for all of them with `{tag}`; or a tag list: a CSV file.",
        examples=["s=Line{n}.{tag:pascal}", "{speed: DB1.DBD4:REAL}", "filler_tags.csv"],
    )
    with_: Parameters = Field(
        default_factory=dict,
        alias="with",
        description="Parameters' defaults.",
        examples=["{db: 1}"],
    )
    desc: str = Field("", description="What it is, for people.")


class OverrideWords(Words):
    """An exception for one machine, or for all that a path with `*` matches."""

    is_: str | None = Field(None, alias="is", description="Another type.")
    bind: Names | None = Field(None, description="Another binding, or list of them.")
    with_: Parameters = Field(
        default_factory=dict, alias="with", description="Parameters that differ."
    )
    connection: dict[str, Any] = Field(
        default_factory=dict, description="Connection settings that differ."
    )
    tags: Annotated[Addresses, BeforeValidator(or_nothing)] = Field(
        default_factory=dict,
        description="Tags that differ: any of their keys, and `address`.",
        examples=["{bowl_pressure: {range: [0, 8]}}"],
    )
    relations: Relations = _relations()
    asset: Assets = Field(
        default_factory=list,
        description="The thing that stands there, by its number; or a list of them with `from` "
        "and `to`.",
        examples=["K-4711", "[{id: K-17, to: 2024-02-29}, {id: K-4711, from: 2024-03-01}]"],
    )
    was: Annotated[list[str], BeforeValidator(names_or_none)] = Field(
        default_factory=list,
        description="The path that it had before: a move, not a new machine; a template.",
        examples=["{site}/bottling/line{n}/filler"],
    )
    desc: str = Field("", description="What it is, for people.")


class InstanceWords(OverrideWords):
    """An instance entry: which machines exist. One entry can stamp any number."""

    path: str = Field(
        min_length=1,
        description="Site, area, line, perhaps a cell, and machine; a template.",
        examples=["{site}/packaging/line{n}/filler"],
    )
    is_: str = Field(alias="is", description="The machine's type.", examples=["filler"])
    each: dict[str, Series] = Field(
        default_factory=dict,
        description="Parameters with several values: one machine per combination.",
        examples=["{site: [leeds, porto], n: 1..4}"],
    )
    bind: Names | None = Field(
        None,
        description="The binding; or a list, where each adds the tags that it names.",
        examples=["krones-s7", "[krones-s7, energy-meter]"],
    )
    with_: Parameters = Field(
        default_factory=dict,
        alias="with",
        description="Parameters of its templates; a text may use others.",
        examples=['{host: "{net}.{n}.20", db: 100}'],
    )


class ConsumerWords(Words):
    """Somebody who reads the tree, so that a change can say whom it hits."""

    reads: list[Filter] = Field(
        min_length=1, description="Topic filters.", examples=["[acme/leeds/#]"]
    )
    owner: str = Field("", description="Who answers for it.")
    contact: str = Field("", description="Where to reach them.")
    desc: str = Field("", description="What it is, for people.")


class SchemaWords(Words):
    """A schema for foreign topics: the most specific filter wins."""

    topics: list[Filter] = Field(
        min_length=1, description="Topics whose messages must match.", examples=["[acme/+/lab/#]"]
    )
    version: int | None = Field(None, ge=1, description="A version; the newest where absent.")
    desc: str = Field("", description="What it is, for people.")


class ProjectWords(Words):
    """The top level. A project is a folder of YAML files; each may hold any of these keys."""

    enterprise: Name | None = Field(None, description="The root of the tree.", examples=["acme"])
    sites: dict[Name, SiteWords] = Field(
        default_factory=dict, description="Sites, and parameters of the machines there."
    )
    types: dict[Name, TypeWords] = Field(
        default_factory=dict, description="WHAT a machine is: once per company."
    )
    bindings: dict[Name, BindingWords] = Field(
        default_factory=dict, description="WHERE a vendor keeps it: once per vendor."
    )
    instances: list[InstanceWords] = Field(
        default_factory=list, description="WHICH machines exist: one entry stamps them all."
    )
    overrides: dict[str, OverrideWords] = Field(
        default_factory=dict, description="Exceptions, by path; `*` stands for any one name."
    )
    schemas: dict[str, SchemaWords] = Field(
        default_factory=dict, description="Schemas of foreign topics, by subject."
    )
    relations: dict[Name, Annotated[RelationWords, BeforeValidator(read_relation)]] = Field(
        default_factory=dict,
        description="Relations of your own between machines, and their inverses.",
        examples=["{lubricates: lubricated_by}"],
    )
    consumers: dict[str, ConsumerWords] = Field(
        default_factory=dict, description="Who reads the tree."
    )
    targets: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="ERP and other ends; see the target's page."
    )
    templates: dict[Name, TemplateWords] = Field(
        default_factory=dict, description="Routes written once, to be stamped on machines."
    )
    routes: list[RouteWords] = Field(default_factory=list, description="Uses of templates.")
    brokers: dict[Name, str] = Field(
        default_factory=dict,
        description="MQTT brokers, by name.",
        examples=['{site: "mqtt://127.0.0.1:1883"}'],
    )
    sparkplug: SparkplugWords | None = Field(
        None, description="How Sparkplug is spoken, and whose devices join the tree."
    )
