"""Payloads to and from npm's sparkplug-payload, which is Node-RED's codec: both ways."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import pytest

from uns.metric import DataType
from uns.sparkplug import (
    NODE_RED,
    SPEC,
    DataSet,
    EdgeNode,
    EdgeSettings,
    MetaData,
    Metric,
    MetricDefinition,
    NodeId,
    Parameter,
    Payload,
    Property,
    Template,
    WireProfile,
    decode,
    encode,
)
from uns.sparkplug.profile import Compression

pytestmark = pytest.mark.slow
NOW = 1_700_000_000_123
NAN = {"$float": "NaN"}


def _single(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _long(value: int) -> dict[str, str]:
    return {"$int": str(value)}


# our datatype, our value, what the package makes of it
SCALARS = [
    (DataType.INT8, -5, -5),
    (DataType.INT8, 127, 127),
    (DataType.INT16, -30_000, -30_000),
    (DataType.INT32, -(2**31), -(2**31)),
    (DataType.INT64, -5, _long(-5)),
    (DataType.INT64, -(2**63), _long(-(2**63))),
    (DataType.UINT8, 200, 200),
    (DataType.UINT16, 60_000, 60_000),
    (DataType.UINT32, 7, 7),
    (DataType.UINT32, 4_000_000_000, 4_000_000_000),
    (DataType.UINT64, 2**64 - 1, _long(2**64 - 1)),
    (DataType.FLOAT, _single(1.23), _single(1.23)),
    (DataType.FLOAT, math.inf, {"$float": "Infinity"}),
    (DataType.DOUBLE, -2.5e300, -2.5e300),
    (DataType.DOUBLE, math.nan, NAN),
    (DataType.BOOLEAN, True, True),
    (DataType.BOOLEAN, False, False),
    (DataType.STRING, "", ""),
    (DataType.STRING, "Größe 1 \N{THERMOMETER}", "Größe 1 \N{THERMOMETER}"),
    (DataType.TEXT, "two\nlines", "two\nlines"),
    (DataType.UUID, "8c5b1d3e-0f6a-4f0e-9c55-7f2c9f3d1a11", "8c5b1d3e-0f6a-4f0e-9c55-7f2c9f3d1a11"),
    (DataType.DATETIME, NOW, _long(NOW)),
    (DataType.BYTES, b"\x00\xff\n", {"$hex": "00ff0a"}),
    (DataType.FILE, b"%PDF", {"$hex": "25504446"}),
]
# the package's names are the specification's, as ours are
TYPES = {kind: kind.label for kind, *_ in SCALARS}


@pytest.fixture
async def codec(node):
    """sparkplug-payload on a pipe."""
    return await node("codec_peer.js")


@pytest.fixture
def theirs(codec):
    """What the package reads in bytes of ours."""

    async def read(payload: Payload, profile: WireProfile = NODE_RED):
        answer = await codec.ask(do="decode", hex=encode(payload, profile=profile).hex())
        assert "error" not in answer, answer
        return answer["payload"]

    return read


@pytest.fixture
def ours(codec):
    """What we read in bytes of the package."""

    async def read(**payload) -> Payload:
        answer = await codec.ask(do="encode", payload=payload)
        assert "error" not in answer, answer
        return decode(bytes.fromhex(answer["hex"]))

    return read


def _is_same(expected, actual) -> bool:
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(actual, float) and math.isnan(actual)
    return expected == actual and type(expected) is type(actual)


async def test_it_reads_every_scalar_of_ours(theirs):
    """Under the profile for Node-RED, each datatype that it knows arrives with name and value."""
    metrics = tuple(
        Metric(f"m{i}", value, kind, alias=i, timestamp_ms=NOW)
        for i, (kind, value, _) in enumerate(SCALARS)
    )
    payload = await theirs(Payload(NOW, metrics, seq=0))
    assert (_long(NOW), _long(0)) == (payload["timestamp"], payload["seq"])
    read = [(m["name"], m["type"], m["alias"], m["value"]) for m in payload["metrics"]]
    expected = [
        (f"m{i}", TYPES[kind], _long(i), value) for i, (kind, _, value) in enumerate(SCALARS)
    ]
    assert expected == read


async def test_we_read_every_scalar_of_its(ours):
    """Each datatype that it writes arrives with our value, whatever field it chose."""
    metrics = [
        {"name": f"m{i}", "type": TYPES[kind], "value": value, "timestamp": _long(NOW)}
        for i, (kind, _, value) in enumerate(SCALARS)
    ]
    payload = await ours(timestamp=_long(NOW), metrics=metrics, seq=7)
    assert (NOW, 7, ()) == (payload.timestamp_ms, payload.seq, payload.problems)
    for (kind, value, _), metric in zip(SCALARS, payload.metrics, strict=True):
        assert (kind, NOW) == (metric.datatype, metric.timestamp_ms)
        assert _is_same(value, metric.value), metric


@pytest.mark.parametrize("kind", [DataType.DOUBLE, DataType.UINT32, DataType.STRING])
async def test_null_is_null(theirs, ours, kind):
    """A metric without a value is null to both, with its datatype."""
    payload = await theirs(Payload(NOW, (Metric("m", None, kind),), seq=1))
    assert [(TYPES[kind], None)] == [(m["type"], m["value"]) for m in payload["metrics"]]
    payload = await ours(timestamp=NOW, metrics=[{"name": "m", "type": TYPES[kind], "value": None}])
    assert [(kind, None, "")] == [(m.datatype, m.value, m.problem) for m in payload.metrics]


async def test_flags_and_file_data_cross_over(theirs, ours):
    """Historical, transient, and what is said of a file, both ways."""
    told = MetaData(size=4, file_name="a.pdf", file_type="pdf", md5="0f", content_type="x/y")
    metric = Metric(
        "m", b"%PDF", DataType.FILE, is_historical=True, is_transient=True, metadata=told
    )
    [read] = (await theirs(Payload(NOW, (metric,), seq=1)))["metrics"]
    assert (True, True) == (read["isHistorical"], read["isTransient"])
    assert {
        "size": _long(4),
        "fileName": "a.pdf",
        "fileType": "pdf",
        "md5": "0f",
        "contentType": "x/y",
    } == {
        key: read["metadata"][key] for key in ("size", "fileName", "fileType", "md5", "contentType")
    }
    [back] = (await ours(timestamp=NOW, metrics=[read])).metrics
    assert (b"%PDF", True, True) == (back.value, back.is_historical, back.is_transient)
    assert ("a.pdf", "pdf", "0f", 4) == (
        back.metadata.file_name,
        back.metadata.file_type,
        back.metadata.md5,
        back.metadata.size,
    )


async def test_properties_cross_over(theirs, ours):
    """Units, limits, a null, a set within a set and a list of sets, both ways."""
    inner = {"low": Property(DataType.DOUBLE, 0.5), "note": Property(DataType.STRING, None)}
    properties = {
        "engUnit": Property(DataType.STRING, "bar"),
        "Quality": Property(DataType.INT32, 192),
        "set": Property(DataType.PROPERTY_SET, inner),
        "sets": Property(DataType.PROPERTY_SET_LIST, (inner, {})),
    }
    metric = Metric("m", 2.5, DataType.DOUBLE, properties=properties)
    [read] = (await theirs(Payload(NOW, (metric,), seq=1)))["metrics"]
    theirs_inner = {
        "low": {"type": "Double", "value": 0.5},
        "note": {"type": "String", "value": None},
    }
    expected = {
        "engUnit": {"type": "String", "value": "bar"},
        "Quality": {"type": "Int32", "value": 192},
        "set": {"type": "PropertySet", "value": theirs_inner},
        "sets": {"type": "PropertySetList", "value": [theirs_inner, {}]},
    }
    assert expected == read["properties"]
    [back] = (await ours(timestamp=NOW, metrics=[read])).metrics
    assert properties == dict(back.properties)


async def test_data_sets_cross_over(theirs, ours):
    """Tables of the column types that it can read itself, both ways."""
    kinds = (DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.STRING)
    rows = ((1.5, -2.5, True, "a"), (0.0, 1e300, False, ""))
    table = DataSet(("f", "d", "b", "s"), kinds, rows)
    metric = Metric("t", table, DataType.DATASET)
    [read] = (await theirs(Payload(NOW, (metric,), seq=1)))["metrics"]
    expected = {
        "numOfColumns": _long(4),
        "columns": ["f", "d", "b", "s"],
        "types": ["Float", "Double", "Boolean", "String"],
        "rows": [list(row) for row in rows],
    }
    assert expected == read["value"]
    [back] = (
        await ours(timestamp=NOW, metrics=[{**read, "value": {**expected, "numOfColumns": 4}}])
    ).metrics
    assert table == back.value


async def test_we_read_tables_that_it_cannot_read_itself(ours):
    """It writes integer columns that its own decoder refuses; ours does not."""
    kinds = {"Int8": -5, "Int16": -300, "Int32": -70_000, "UInt8": 200, "UInt32": 4_000_000_000}
    table = {
        "numOfColumns": len(kinds),
        "columns": [*kinds],
        "types": [*kinds],
        "rows": [[*kinds.values()]],
    }
    metrics = [{"name": "t", "type": "DataSet", "value": table}]
    [read] = (await ours(timestamp=NOW, metrics=metrics)).metrics
    assert ("", (tuple(kinds.values()),)) == (read.problem, read.value.rows)


async def test_templates_cross_over(theirs, ours):
    """A definition and a nested instance with members and parameters, both ways."""
    members = (
        Metric("speed", 1.5, DataType.DOUBLE, timestamp_ms=NOW),
        Metric("good", 4_000_000_000, DataType.UINT32, timestamp_ms=NOW),
    )
    definition = Template(
        members, (Parameter("unit", DataType.STRING, "rpm"),), version="2", is_definition=True
    )
    inner = Template((Metric("hot", True, DataType.BOOLEAN),), reference="Bearing")
    instance = Template(
        (*members, Metric("bearing", inner, DataType.TEMPLATE)),
        (Parameter("ratio", DataType.DOUBLE, 0.5),),
        reference="Motor",
    )
    metrics = (
        Metric("Motor", definition, DataType.TEMPLATE),
        Metric("M1", instance, DataType.TEMPLATE),
    )
    read = (await theirs(Payload(NOW, metrics, seq=0)))["metrics"]
    first, second = (metric["value"] for metric in read)
    assert (True, "2") == (first["isDefinition"], first["version"])
    assert [{"name": "unit", "type": "String", "value": "rpm"}] == first["parameters"]
    assert (False, "Motor") == (second["isDefinition"], second["templateRef"])
    values = [(m["name"], m["type"], m["value"]) for m in second["metrics"][:2]]
    assert [("speed", "Double", 1.5), ("good", "UInt32", 4_000_000_000)] == values
    assert "Bearing" == second["metrics"][2]["value"]["templateRef"]
    back = (await ours(timestamp=NOW, metrics=read)).metrics
    assert [instance.reference, inner.reference] == [
        back[1].value.reference,
        back[1].value.metrics[2].value.reference,
    ]
    assert [1.5, 4_000_000_000] == [m.value for m in back[1].value.metrics[:2]]
    assert (definition.parameters, True) == (back[0].value.parameters, back[0].value.is_definition)


async def test_the_profile_reaches_into_tables_and_properties(theirs):
    """UInt32 in a cell, a property and a parameter too: one in the other field costs the payload."""
    kind, number = DataType.UINT32, 4_000_000_000
    table = DataSet(("n",), (kind,), ((number,),))
    motor = Template(parameters=(Parameter("n", kind, number),), reference="Motor")
    metrics = (
        Metric("t", table, DataType.DATASET, properties={"n": Property(kind, number)}),
        Metric("m", motor, DataType.TEMPLATE),
    )
    first, second = (await theirs(Payload(NOW, metrics, seq=1)))["metrics"]
    assert [[number]] == first["value"]["rows"]
    assert number == first["properties"]["n"]["value"]
    assert number == second["value"]["parameters"][0]["value"]


async def test_what_it_does_not_know_costs_nothing_else(theirs):
    """An array is null to it, and the metrics around it arrive."""
    metrics = (
        Metric("before", 1, DataType.INT32),
        Metric("array", (1, -2), DataType.INT16_ARRAY),
        Metric("after", 2, DataType.INT32),
    )
    read = (await theirs(Payload(NOW, metrics, seq=1)))["metrics"]
    assert [1, None, 2] == [metric["value"] for metric in read]


@pytest.mark.parametrize("compress", [None, Compression.DEFLATE, Compression.GZIP])
async def test_it_follows_our_edge_node(codec, compress):
    """Births and data of an edge node with the profile for Node-RED, packed or not, by name."""
    finite = [row for row in SCALARS if not isinstance(row[1], float) or math.isfinite(row[1])]
    definitions = [MetricDefinition(f"m{i}", kind) for i, (kind, *_) in enumerate(finite)]
    settings = EdgeSettings(profile=replace(NODE_RED, compress=compress))
    edge = EdgeNode(NodeId("g", "e"), {"d": definitions}, settings=settings)
    edge.will()
    births = edge.connected(NOW) + edge.device_up("d", NOW)
    values = {f"m{i}": (value, read) for i, (_, value, read) in enumerate(finite)}
    readings = [
        (edge.alias_of("d", one.name), values[one.name][0], 192, NOW) for one in definitions
    ]
    nbirth, dbirth, ddata = [
        (await codec.ask(do="decode", hex=message.payload.hex()))["payload"]
        for message in births + edge.observed("d", readings, NOW)
    ]
    assert [compress] * 3 == [p.get("envelope", None) for p in (nbirth, dbirth, ddata)]
    assert [_long(0), _long(1), _long(2)] == [p["seq"] for p in (nbirth, dbirth, ddata)]
    assert ["bdSeq", "Node Control/Rebirth"] == [m["name"] for m in nbirth["metrics"]]
    assert [one.name for one in definitions] == [m["name"] for m in dbirth["metrics"]]
    read = {m["name"]: (m["type"], m["value"]) for m in ddata["metrics"]}
    assert {one.name: (TYPES[one.datatype], values[one.name][1]) for one in definitions} == read


async def test_the_profile_is_needed(theirs):
    """By the specification's own field a UInt32 is nothing to it: that is what NODE_RED is for."""
    metric = Metric("m", 7, DataType.UINT32)
    [read] = (await theirs(Payload(NOW, (metric,), seq=1), SPEC))["metrics"]
    assert 7 != read["value"]
    [read] = (await theirs(Payload(NOW, (metric,), seq=1)))["metrics"]
    assert 7 == read["value"]
