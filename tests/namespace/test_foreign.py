"""Devices of others on the tree: payloads as Ignition, Node-RED, Tahu and pysparkplug shape them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.equipment import Machine, Source, SparkplugId, Tag
from uns.message import Message
from uns.metric import DataType
from uns.namespace import Namespace, Output
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.sparkplug import HostApplication
from uns.sparkplug.events import Born, Changed, Died
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot
from uns.sparkplug.wire import PayloadMessage
from uns.topic import Topic, TopicFilter

NOW = 1_767_868_200_123  # 2026-01-08T10:30:00.123Z
STAMP = "2026-01-08T10:30:00.123Z"
INT32, INT64, UINT8, UINT32, UINT64 = 3, 4, 5, 7, 8
INT8, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, DATASET, TEMPLATE = 1, 9, 10, 11, 12, 13, 16, 19
FILLER = "acme/leeds/packaging/line1/filler_1"
RULES = """
- devices: "Plant 1/Line{n}/{device}"
  path: "leeds/packaging/line{n}/{device:snake}"
  metrics:
    Inputs/PT 101: {name: bowl_pressure, unit: mbar}
    Diagnostics/*: null
    Raw: null
    Mode: {states: {1: Manual, 2: Auto}}
    Bottles: {counter: true}
- {devices: "Plant 1/Line{n}", path: "leeds/packaging/line{n}/node"}
- {devices: "node red/{node}/{device}", path: "leeds/{node:snake}/{device:snake}"}
"""


def fill(message: Any, **fields: Any) -> Any:
    """Set fields of a protobuf message as a sender would: only those named, and zeros too."""
    for name, value in fields.items():
        if name == "properties":
            _fill_properties(message.properties, value)
        elif name in ("template_value", "dataset_value"):
            getattr(message, name).CopyFrom(value)
        elif isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    return message


def _fill_properties(message: Any, properties: dict[str, tuple[int, str, Any]]) -> None:
    for key, (datatype, field, value) in properties.items():
        message.keys.append(key)
        fill(message.values.add(), type=datatype, **{field: value})


def payload(*metrics: dict[str, Any], seq: int | None = 0, at: int | None = NOW) -> bytes:
    """The bytes of a payload, from the fields of its metrics as they stand on the wire."""
    message = PayloadMessage()
    if at is not None:
        message.timestamp = at
    if seq is not None:
        message.seq = seq
    for metric in metrics:
        fill(message.metrics.add(), **metric)
    return message.SerializeToString()


def template(*members: dict[str, Any], **fields: Any) -> Any:
    """A template's message with these members."""
    message = PayloadMessage().metrics.add().template_value
    for member in members:
        fill(message.metrics.add(), **member)
    return fill(message, **fields)


def filler(*, is_driven: bool = True) -> Machine:
    """A machine of the project, on the line that foreign devices stand on as well."""
    topic = Topic("acme/leeds/packaging/line1/filler")
    source = Source("toy://x", 1, "reg:1") if is_driven else None
    tags = (Tag("speed", topic.child("speed"), unit="m/s", high=9, source=source),)
    return Machine(
        topic, "m", 1, ("m",), tags, SparkplugId("acme:leeds", "packaging:line1", "filler")
    )


class Tree:
    """A host application and a namespace: Sparkplug bytes in, what subscribers hold out."""

    def __init__(
        self, rules: tuple = (), machines: tuple[Machine, ...] = (), within: Sequence = ()
    ) -> None:
        self.host = HostApplication("uns-acme")
        self.namespace = Namespace("acme", machines or [filler()], rules, within)
        self.host.will(NOW)
        self.host.connected(NOW)
        self.shown: dict[str, dict[str, Any]] = {}
        self.notices: list[str] = []
        self.qos: dict[str, int] = {}
        self.problems: list[str] = []

    def hear(self, topic: str, data: bytes, now: int = NOW) -> None:
        """A message arrives."""
        events = self.host.received(Message(topic, data), now)
        self.problems += [event.text for event in events if hasattr(event, "text")]
        self.take(self.namespace.apply_all(events, now))

    def take(self, out: Output) -> None:
        """What a subscriber and whoever reads the log see of it."""
        for text, value in (*out.values, *out.late):
            self.shown[text.decode()] = json.loads(value)
        for message in out.messages:
            self.shown[message.topic] = json.loads(message.payload)
            self.qos[message.topic] = message.qos
        self.notices += out.notices

    def node(self, group: str = "Plant 1", node: str = "Line1", *metrics: dict[str, Any]) -> None:
        """An NBIRTH with a bdSeq as Ignition and the specification have it."""
        bd_seq = {"name": "bdSeq", "timestamp": NOW, "datatype": INT64, "long_value": 0}
        self.hear(f"spBv1.0/{group}/NBIRTH/{node}", payload(bd_seq, *metrics))

    def device(
        self, device: str, *metrics: dict[str, Any], seq: int = 1, at: str = "Plant 1/DBIRTH/Line1"
    ) -> None:
        """A DBIRTH."""
        self.hear(f"spBv1.0/{at}/{device}", payload(*metrics, seq=seq))

    def values(self) -> dict[str, Any]:
        """What topics show, by topic."""
        return {topic: said["value"] for topic, said in self.shown.items() if "value" in said}


@pytest.fixture
def rules(tmp_path: Path):
    """Rules as an engineer writes them, compiled by the project."""

    def compile_rules(text: str = RULES) -> tuple:
        (tmp_path / "plant.yaml").write_text(
            "enterprise: acme\nsparkplug:\n  foreign:\n"
            + "".join(f"    {line}\n" for line in text.strip().splitlines())
        )
        loaded = load(tmp_path, Catalogue({}, {}))
        assert () == loaded.diagnostics
        assert loaded.project is not None
        return loaded.project.sparkplug.foreign

    return compile_rules


@pytest.fixture
def tree(rules) -> Tree:
    """A tree with the rules above."""
    return Tree(rules())


def real(name: str, value: float, **more: Any) -> dict[str, Any]:
    """A Float as births have it."""
    return {"name": name, "datatype": FLOAT, "timestamp": NOW, "float_value": value, **more}


# Ignition: MQTT Transmission and Edge

PRESSURE = real(
    "Inputs/PT 101",
    3.5,
    alias=10,
    properties={
        "engUnit": (STRING, "string_value", "bar"),
        "engLow": (DOUBLE, "double_value", 0.0),
        "engHigh": (DOUBLE, "double_value", 6.0),
        "documentation": (STRING, "string_value", "Pressure of the bowl"),
    },
)
LEVEL = real("Inputs/Level 2", 0.5, alias=11, properties=PRESSURE["properties"])
MOTOR = {
    "name": "_types_/Motor",
    "datatype": TEMPLATE,
    "timestamp": NOW,
    "template_value": template(
        {"name": "Speed", "datatype": INT32, "int_value": 0},
        {"name": "Running", "datatype": BOOLEAN, "boolean_value": False},
        is_definition=True,
        version="",
    ),
}


def motor(speed: int, *more: dict[str, Any]) -> Any:
    """An instance of the type above."""
    speed_now = {"name": "Speed", "datatype": INT32, "timestamp": NOW, "int_value": speed}
    return template(speed_now, *more, is_definition=False, template_ref="_types_/Motor")


def test_ignitions_tags_have_places_names_and_units(tree: Tree) -> None:
    """Blanks and slashes become levels of the tree; unit and range come from the properties."""
    tree.node()
    tree.device("Filler 1", PRESSURE, LEVEL)
    assert {f"{FILLER}/bowl_pressure": 3.5, f"{FILLER}/inputs/level_2": 0.5} == tree.values()
    shown = {"value": 0.5, "quality": "Good", "timestamp": STAMP, "unit": "bar"}
    assert shown == tree.shown[f"{FILLER}/inputs/level_2"]
    meta = tree.shown[f"{FILLER}/inputs/level_2/_meta"]
    assert ([0.0, 6.0], "Pressure of the bowl") == (meta["range"], meta["description"])
    assert "Inputs/Level 2" == meta["sparkplug"]["metric"]


def test_what_a_rule_says_is_stronger_than_the_birth(tree: Tree) -> None:
    """The engineer's unit replaces that of the property."""
    tree.node()
    tree.device("Filler 1", PRESSURE)
    assert "mbar" == tree.shown[f"{FILLER}/bowl_pressure"]["unit"]


def test_data_by_alias_reaches_the_mapped_topic(tree: Tree) -> None:
    """After the birth a change has neither name nor datatype."""
    tree.node()
    tree.device("Filler 1", PRESSURE, LEVEL)
    data = payload({"alias": 10, "timestamp": NOW + 5, "float_value": 4.5}, seq=2)
    tree.hear("spBv1.0/Plant 1/DDATA/Line1/Filler 1", data)
    assert 4.5 == tree.values()[f"{FILLER}/bowl_pressure"]


@pytest.mark.parametrize(
    ("code", "quality", "detail"),
    [
        (192, "Good", None),
        (-2147483126 & 0xFFFFFFFF, "Bad", "NotConnected"),
        (1073742081, "Uncertain", "LastKnownValue"),
        (-2147483132 & 0xFFFFFFFF, "Uncertain", "Stale"),
        (500, "Uncertain", "Stale"),
    ],
)
def test_ignitions_quality_codes_are_understood(
    tree: Tree, code: int, quality: str, detail: str | None
) -> None:
    """A tag whose device is unreachable is Bad, with the reason, and not just a number."""
    tree.node()
    tree.device("Filler 1", LEVEL)
    properties = {"Quality": (INT32, "int_value", code)}
    metric = {"alias": 11, "timestamp": NOW + 5, "float_value": 0.5, "properties": properties}
    tree.hear("spBv1.0/Plant 1/DDATA/Line1/Filler 1", payload(metric, seq=2))
    shown = tree.shown[f"{FILLER}/inputs/level_2"]
    assert (quality, detail) == (shown["quality"], shown.get("detail"))


def test_node_info_has_the_place_of_the_node_and_control_metrics_have_none(tree: Tree) -> None:
    """A rule of two levels is about an edge node's own metrics; the protocol's stay out."""
    tree.node(
        "Plant 1", "Line1",
        {"name": "Node Control/Rebirth", "datatype": BOOLEAN, "boolean_value": False},
        {"name": "Node Control/Next Server", "datatype": BOOLEAN, "boolean_value": False},
        {"name": "Node Info/Transmission Version", "datatype": STRING, "string_value": "4.0.20"},
    )  # fmt: skip
    topic = "acme/leeds/packaging/line1/node/node_info/transmission_version"
    assert {topic: "4.0.20"} == tree.values()
    assert ([], 0) == (tree.notices, tree.namespace.counts.ignored)


def test_an_instance_of_a_udt_is_taken_apart(tree: Tree) -> None:
    """Each member has a topic below its metric's; the definition is no value and has none."""
    tree.node("Plant 1", "Line1", MOTOR)
    running = {"name": "Running", "datatype": BOOLEAN, "boolean_value": True}
    nested = {"name": "D", "datatype": TEMPLATE, "template_value": motor(7)}
    whole = motor(1500, running, nested)
    instance = {"name": "M 1", "alias": 20, "datatype": TEMPLATE, "template_value": whole}
    tree.device("Filler 1", {**instance, "timestamp": NOW})
    place = f"{FILLER}/m_1"
    expected = {f"{place}/speed": 1500, f"{place}/running": True, f"{place}/d/speed": 7}
    assert expected == tree.values()
    assert [] == tree.notices


def test_a_partial_instance_changes_only_its_members(tree: Tree) -> None:
    """Data may hold one member of many; the others keep what they have."""
    tree.node("Plant 1", "Line1", MOTOR)
    running = {"name": "Running", "datatype": BOOLEAN, "boolean_value": True}
    birth = {"name": "M", "alias": 20, "datatype": TEMPLATE, "template_value": motor(1, running)}
    tree.device("Filler 1", birth)
    tree.shown.clear()
    data = {"alias": 20, "timestamp": NOW + 5, "template_value": motor(2)}
    tree.hear("spBv1.0/Plant 1/DDATA/Line1/Filler 1", payload(data, seq=2))
    assert {f"{FILLER}/m/speed": 2} == tree.values()


def test_a_late_instance_is_told_by_member_and_changes_none(tree: Tree) -> None:
    """What a member had before goes to its history; it keeps what it has now."""
    tree.node("Plant 1", "Line1", MOTOR)
    birth = {"name": "M", "alias": 20, "datatype": TEMPLATE, "template_value": motor(1500)}
    tree.device("Filler 1", birth)
    past = {"alias": 20, "timestamp": NOW - 5000, "is_historical": True}
    late = payload({**past, "template_value": motor(900)}, seq=2)
    tree.hear("spBv1.0/Plant 1/DDATA/Line1/Filler 1", late)
    place = f"{FILLER}/m/speed"
    assert 900 == tree.values()[f"{place}/_history"]
    tree.take(tree.namespace.current())
    assert 1500 == tree.values()[place]


def test_a_udt_that_is_bad_is_bad_in_every_member(tree: Tree) -> None:
    """The quality of the whole is not lost when it is taken apart."""
    tree.node("Plant 1", "Line1", MOTOR)
    birth = {"name": "M", "alias": 20, "datatype": TEMPLATE, "template_value": motor(1)}
    tree.device("Filler 1", birth)
    null = {"alias": 20, "timestamp": NOW + 5, "is_null": True}
    null["properties"] = {"Quality": (INT32, "int_value", 0)}
    tree.hear("spBv1.0/Plant 1/DDATA/Line1/Filler 1", payload(null, seq=2))
    shown = tree.shown[f"{FILLER}/m/speed"]
    assert (None, "Bad") == (shown["value"], shown["quality"])


def test_a_death_makes_every_foreign_value_stale(tree: Tree) -> None:
    """Members of templates too: nothing looks live that is not."""
    tree.node("Plant 1", "Line1", MOTOR)
    instance = {"name": "M", "alias": 20, "datatype": TEMPLATE, "template_value": motor(1500)}
    tree.device("Filler 1", LEVEL, instance)
    tree.hear("spBv1.0/Plant 1/DDEATH/Line1/Filler 1", payload(seq=2))
    assert [("Uncertain", "Stale")] * 2 == [
        (tree.shown[f"{FILLER}/{name}"]["quality"], tree.shown[f"{FILLER}/{name}"]["detail"])
        for name in ("inputs/level_2", "m/speed")
    ]
    data = payload({"alias": 20, "template_value": motor(9)}, seq=3)
    tree.hear("spBv1.0/Plant 1/DDATA/Line1/Filler 1", data)
    assert 1500 == tree.values()[f"{FILLER}/m/speed"]


# Node-RED: sparkplug-payload, without aliases, timestamps of metrics, or UInt32 in its own field


def test_node_reds_metrics_are_read_as_javascript_writes_them(tree: Tree) -> None:
    """UInt32 comes as a long, Int8 with its sign extended, times only on the payload."""
    bd_seq = {"name": "bdSeq", "datatype": UINT64, "long_value": 0}
    tree.hear("spBv1.0/node red/NBIRTH/Hall A", payload(bd_seq))
    metrics = (
        {"name": "Total Count", "datatype": UINT32, "long_value": 4294967295},
        {"name": "offset", "datatype": INT8, "int_value": 0xFFFFFFFB},
        {"name": "since", "datatype": DATETIME, "long_value": NOW},
        {"name": "temp", "datatype": DOUBLE, "double_value": 21.5,
         "properties": {"units": (STRING, "string_value", "Cel")}},
    )  # fmt: skip
    tree.device("PLC #1", *metrics, at="node red/DBIRTH/Hall A")
    assert [] == tree.notices  # `#` cannot stand in a device id: the host says so, not we
    tree.device("PLC 1", *metrics, at="node red/DBIRTH/Hall A")
    place = "acme/leeds/hall_a/plc_1"
    assert {
        f"{place}/total_count": 4294967295, f"{place}/offset": -5,
        f"{place}/since": STAMP, f"{place}/temp": 21.5,
    } == tree.values()  # fmt: skip
    assert ("Cel", STAMP) == (
        tree.shown[f"{place}/temp"]["unit"], tree.shown[f"{place}/temp"]["timestamp"]
    )  # fmt: skip


def test_node_reds_data_by_name_reaches_its_topic(tree: Tree) -> None:
    """Its data repeats name and datatype, and has no time of its own."""
    tree.node("node red", "Hall A")
    birth = {"name": "Total Count", "datatype": UINT32, "long_value": 1}
    tree.device("PLC 1", birth, at="node red/DBIRTH/Hall A")
    data = payload({**birth, "long_value": 4294967295}, seq=2, at=NOW + 7)
    tree.hear("spBv1.0/node red/DDATA/Hall A/PLC 1", data)
    shown = tree.shown["acme/leeds/hall_a/plc_1/total_count"]
    assert (4294967295, "2026-01-08T10:30:00.130Z") == (shown["value"], shown["timestamp"])


def test_a_compressed_birth_is_mapped_like_any(tree: Tree) -> None:
    """Node-RED can wrap payloads in the DEFLATE envelope."""
    tree.node("node red", "Hall A")
    inner = payload(real("temp", 21.5), seq=1)
    outer = PayloadMessage(uuid="SPBV1.0_COMPRESSED", body=zlib.compress(inner), seq=1)
    tree.hear("spBv1.0/node red/DBIRTH/Hall A/PLC 1", outer.SerializeToString())
    assert {"acme/leeds/hall_a/plc_1/temp": 21.5} == tree.values()


def test_a_data_set_is_rows_of_json(tree: Tree) -> None:
    """One object per row, an empty cell is null, a DateTime is a time."""
    data = PayloadMessage().metrics.add().dataset_value
    fill(data, num_of_columns=3, columns=["id", "at", "ok"], types=[INT32, DATETIME, BOOLEAN])
    row = data.rows.add()
    row.elements.add().int_value = 0xFFFFFFFF
    row.elements.add().long_value = NOW
    row.elements.add()
    tree.node()
    tree.device("Filler 1", {"name": "Alarms", "datatype": DATASET, "dataset_value": data})
    assert [{"id": -1, "at": STAMP, "ok": None}] == tree.values()[f"{FILLER}/alarms"]
    assert "array" == tree.shown[f"{FILLER}/alarms/_meta"]["schema"]["type"]


# Tahu and pysparkplug


def test_tahus_empty_reference_is_none(tree: Tree) -> None:
    """Tahu Java writes an empty reference into definitions; it is still no value."""
    definition = template(
        {"name": "Speed", "datatype": INT32, "int_value": 0}, is_definition=True, template_ref=""
    )
    birth = {"name": "Properties/Motor", "datatype": TEMPLATE, "template_value": definition}
    maker = {"name": "Properties/Hardware Make", "datatype": STRING, "string_value": "Pi"}
    tree.node("Plant 1", "Line1", birth, maker)
    topic = "acme/leeds/packaging/line1/node/properties/hardware_make"
    assert {topic: "Pi"} == tree.values()


def test_pysparkplugs_data_of_a_node_reaches_its_topic(tree: Tree) -> None:
    """No rebirth metric, no aliases, name and datatype in data, times everywhere."""
    tree.node("Plant 1", "Line1", real("pump/flow", 1.0))
    tree.hear("spBv1.0/Plant 1/NDATA/Line1", payload(real("pump/flow", 2.0), seq=1))
    assert {"acme/leeds/packaging/line1/node/pump/flow": 2.0} == tree.values()


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("STATE/scada", b"ONLINE"),
        ("spBv1.0/STATE/scada", b"OFFLINE"),
        ("spBv1.0/Plant 1/STATE/scada", b"ONLINE"),
    ],
)
def test_a_state_of_version_2_2_moves_nothing(tree: Tree, topic: str, data: bytes) -> None:
    """Older hosts say ONLINE and OFFLINE as text, in several places; the tree does not mind."""
    tree.node()
    tree.device("Filler 1", LEVEL)
    tree.hear(topic, data)
    assert "Good" == tree.shown[f"{FILLER}/inputs/level_2"]["quality"]


VECTORS = Path(__file__).parents[1] / "cases/sparkplug/golden.json"
# what the vectors' values look like as JSON, where that is not what they are
AS_JSON = {
    "by": "AP8=", "file": "UEs=", "dt": "2022-06-24T21:57:55.999Z",
    "dt_neg": "1969-12-31T23:59:59.000Z",
    "dta": ["2009-10-21T05:27:55.335Z", "2022-06-24T21:57:55.000Z"],
    "dataset": [{"n": -1, "x": 1.5, "ok": True}, {"n": 7, "x": 2.5, "ok": False}],
}  # fmt: skip
SKIPPED = ("alias", "alias0", "hist", "props", "template", "deflate", "gzip")


def test_every_datatype_of_the_reference_vectors_has_a_topic(rules) -> None:
    """Golden payloads, as births of a foreign node: the tree shows what they were made to say."""
    if not VECTORS.exists():
        pytest.skip("needs tests/cases/sparkplug/golden.json")
    vectors = json.loads(VECTORS.read_text())
    tree = Tree(rules("- {devices: '*/{node}', path: 'leeds/{node:snake}'}"))
    for name, vector in vectors.items():
        if name not in SKIPPED:
            tree.hear(f"spBv1.0/golden/NBIRTH/{name}", _with_bd_seq(bytes.fromhex(vector["hex"])))
    expected = {
        name: AS_JSON.get(name, vector["val"])
        for name, vector in vectors.items()
        if name not in SKIPPED
    }
    found = {topic.split("/")[2]: value for topic, value in tree.values().items()}
    assert expected == found
    assert [] == tree.notices


def _with_bd_seq(data: bytes) -> bytes:
    message = PayloadMessage.FromString(data)
    fill(message.metrics.add(), name="bdSeq", datatype=INT64, long_value=0)
    return message.SerializeToString()


# Who may be where


def test_a_property_wins_over_every_rule(tree: Tree) -> None:
    """A device that says where it belongs is believed."""
    own = {"uns": (STRING, "string_value", "acme/leeds/utilities/boiler/level")}
    tree.node()
    tree.device("Filler 1", real("Inputs/PT 101", 1.5, properties=own))
    assert {"acme/leeds/utilities/boiler/level": 1.5} == tree.values()


def test_a_property_that_may_not_be_followed_leaves_it_to_the_rule(tree: Tree) -> None:
    """Somebody else's enterprise in a property does not take a metric off our tree."""
    own = {"uns": (STRING, "string_value", "other/leeds/x/level")}
    tree.node()
    tree.device("Filler 1", real("Level", 1.5, properties=own))
    assert {f"{FILLER}/level": 1.5} == tree.values()


def test_what_is_left_out_takes_all_below_it_along(tree: Tree) -> None:
    """`null` on a folder, a pattern or a metric: nothing of it is shown and nothing is said."""
    tree.node()
    names = ("Raw", "Raw/A", "Diagnostics/CPU/Load", "Level")
    tree.device("Filler 1", *(real(name, 1.0) for name in names))
    assert {f"{FILLER}/level": 1.0} == tree.values()
    assert [] == tree.notices


def test_states_and_counters_of_a_rule_hold_for_foreign_metrics(tree: Tree) -> None:
    """A state is shown by its name, and neither is ever conflated."""
    tree.node()
    mode = {"name": "Mode", "datatype": INT32, "int_value": 2}
    bottles = {"name": "Bottles", "datatype": UINT32, "long_value": 7}
    tree.device("Filler 1", mode, bottles)
    assert {f"{FILLER}/mode": "Auto", f"{FILLER}/bottles": 7} == tree.values()
    assert [1, 1] == [tree.qos[f"{FILLER}/{name}"] for name in ("mode", "bottles")]
    assert tree.shown[f"{FILLER}/bottles/_meta"]["counter"]


def test_two_metrics_for_one_topic_the_first_has_it_and_it_is_said_once(tree: Tree) -> None:
    """`PT 1` and `PT-1` are one name to the tree; a rebirth does not say it again."""
    tree.node()
    for seq in (1, 2):
        tree.device("Filler 1", real("PT 1", 1.0), real("PT-1", 2.0), seq=seq)
    assert {f"{FILLER}/pt_1": 1.0} == tree.values()
    (notice,) = tree.notices
    assert notice.startswith("Plant 1/Line1/Filler 1: no place on the tree for `PT-1` (")
    assert "give each a `name` of its own" in notice


def test_two_devices_for_one_topic_the_first_has_it_while_it_is_there(tree: Tree) -> None:
    """`Filler 1` and `filler-1` are one machine to the rule; the second comes in after a death."""
    tree.node()
    tree.device("Filler 1", real("PT", 1.0))
    tree.device("filler-1", real("PT", 2.0), seq=2)
    assert {f"{FILLER}/pt": 1.0} == tree.values()
    assert "is that of Plant 1/Line1/Filler 1" in tree.notices[0]
    tree.hear("spBv1.0/Plant 1/DDEATH/Line1/Filler 1", payload(seq=3))
    tree.device("filler-1", real("PT", 2.0), seq=4)
    assert {f"{FILLER}/pt": 2.0} == tree.values()
    tree.device("Filler 1", real("PT", 3.0), seq=5)
    assert {f"{FILLER}/pt": 2.0} == tree.values()


def test_nobody_takes_a_topic_of_the_project_or_one_above_it(rules) -> None:
    """The project's own tags are never fed by a rule, and it is said what to do."""
    tree = Tree(rules("- {devices: 'g/n/{device}', path: 'leeds/packaging/line1/{device}'}"))
    tree.node("g", "n")
    tree.device("filler", real("speed", 9.0), at="g/DBIRTH/n")
    tree.device("x", real("y", 9.0), at="g/DBIRTH/n", seq=2)
    assert {"acme/leeds/packaging/line1/x/y": 9.0} == tree.values()
    assert "`acme/leeds/packaging/line1/filler/speed` is the project's own" in tree.notices[0]


@pytest.mark.parametrize(
    ("rule", "name", "why"),
    [
        ("path: 'leeds/{d}/{metric}'", "PT 101", "may not appear in a name"),
        ("path: 'leeds/{d}'", "€", "a name may not be empty"),
        ("path: 'leeds/{d}'", "a/b/c/d/e/f/g", "levels"),
        ("path: 'leeds/{d}'", "x" * 80, "1 to 64"),
        ("path: 'leeds/line{d:02d}'", "a", "needs a whole number"),
        ("path: 'leeds/{d}', metrics: {a: {name: b/c/d/e/f/g}}", "a", "levels"),
    ],
)
def test_a_name_that_cannot_stand_on_the_tree_is_said(
    rules, rule: str, name: str, why: str
) -> None:
    """What a peer calls its metrics is not ours to forbid, but it is ours to say."""
    tree = Tree(rules(f"- {{devices: 'g/n/{{d}}', {rule}}}"))
    tree.node("g", "n")
    tree.device("x", real(name, 1.0), at="g/DBIRTH/n")
    assert ({}, 1) == (tree.values(), len(tree.notices))
    assert why in tree.notices[0]


def test_a_flood_of_misfits_is_one_sentence(rules) -> None:
    """Ten thousand impossible names are said once, with a number."""
    tree = Tree(rules("- {devices: 'g/n/{d}', path: 'leeds/{d}/{metric}'}"))
    tree.node("g", "n")
    tree.device("x", *(real(f"a {n}", 1.0) for n in range(10_000)), at="g/DBIRTH/n")
    (notice,) = tree.notices
    assert "and 9,997 more" in notice
    assert len(notice) < 1_000


def test_rules_are_not_for_devices_of_the_project(rules) -> None:
    """What our own edge nodes say of themselves does not become foreign by a wide pattern."""
    tree = Tree(
        rules("- {devices: '*/*/{d}', path: 'leeds/{d}'}\n- {devices: '*/{d}', path: leeds/n}")
    )
    backlog = {"name": "Backlog/Waiting", "datatype": UINT64, "long_value": 0}
    tree.node("acme:leeds", "packaging:line1", backlog)
    tree.device(
        "filler", real("speed", 1.0), real("x", 2.0), at="acme:leeds/DBIRTH/packaging:line1"
    )
    assert {"acme/leeds/packaging/line1/filler/speed": 1.0} == tree.values()


def test_the_first_rule_that_matches_decides(rules) -> None:
    """Later rules are for what earlier ones did not take."""
    tree = Tree(
        rules("- {devices: 'g/n/a', path: leeds/first}\n- {devices: 'g/n/{d}', path: 'leeds/{d}'}")
    )
    tree.node("g", "n")
    for seq, device in enumerate(("a", "b"), 1):
        tree.device(device, real("x", 1.0), at="g/DBIRTH/n", seq=seq)
    assert {"acme/leeds/first/x", "acme/leeds/b/x"} == set(tree.values())


def test_a_captured_name_that_stands_twice_must_be_the_same(rules) -> None:
    """`{a}/{a}` is an edge node that is called like its group."""
    tree = Tree(rules("- {devices: '{a}/{a}', path: 'leeds/{a}'}"))
    tree.node("x", "x", real("v", 1.0))
    tree.node("x", "y", real("v", 2.0))
    assert {"acme/leeds/x/v": 1.0} == tree.values()


def test_a_metric_that_changes_its_datatype_is_shown_as_what_it_is_now(tree: Tree) -> None:
    """Somebody retyped the tag in the SCADA: the next birth says so, and the tree follows."""
    tree.node()
    tree.device("Filler 1", {"name": "x", "datatype": INT32, "int_value": 1})
    tree.device("Filler 1", {"name": "x", "datatype": STRING, "string_value": "one"}, seq=2)
    assert ("one", "String") == (
        tree.values()[f"{FILLER}/x"], tree.shown[f"{FILLER}/x/_meta"]["type"]
    )  # fmt: skip


def test_a_metric_that_moves_leaves_a_stale_value_behind(tree: Tree) -> None:
    """Its property names another topic now: the old one does not look live any more."""
    tree.node()
    for seq, place in enumerate(("acme/leeds/a/x", "acme/leeds/b/x"), 1):
        own = {"uns": (STRING, "string_value", place)}
        tree.device("Filler 1", real("x", float(seq), properties=own), seq=seq)
    assert [("Uncertain", 1.0), ("Good", 2.0)] == [
        (tree.shown[place]["quality"], tree.shown[place]["value"])
        for place in ("acme/leeds/a/x", "acme/leeds/b/x")
    ]


def test_long_ids_of_a_hostile_peer_cost_nothing(rules) -> None:
    """Patterns are not tried on names that no plant has."""
    tree = Tree(rules("- {devices: '{a}-{b}-{c}-{d}/{e}/{f}x', path: 'leeds/{a}'}"))
    group = "-" * 20_000
    tree.node(group, "n")
    tree.device("y", real("-" * 50_000, 1.0), at=f"{group}/DBIRTH/n")
    assert {} == tree.values()


# A device that is a machine of the project

AS_FILLER = """
- devices: "g/n/{device}"
  path: "leeds/packaging/line1/{device}"
  metrics: {Spd: speed}
"""
OURS = "acme/leeds/packaging/line1/filler"


def say(tree: Tree, *metrics: dict[str, Any], seq: int = 1) -> None:
    """A birth of the foreign filler."""
    tree.device("filler", *metrics, at="g/DBIRTH/n", seq=seq)


@pytest.fixture
def unfed(rules) -> Tree:
    """A project whose filler no driver feeds, and a rule that makes a foreign device the filler."""
    tree = Tree(rules(AS_FILLER), (filler(is_driven=False),))
    tree.namespace.started(NOW)
    tree.node("g", "n")
    return tree


def test_a_rule_can_make_a_device_a_machine_of_the_project(unfed: Tree) -> None:
    """The type's unit and range hold for it, and the machine and its line are online."""
    say(unfed, real("Spd", 12.0), real("Extra", 1.0))
    shown = {"value": 12.0, "quality": "Uncertain", "timestamp": STAMP, "unit": "m/s"}
    assert {**shown, "detail": "Range"} == unfed.shown[f"{OURS}/speed"]
    assert 1.0 == unfed.values()[f"{OURS}/extra"]
    assert ["online", "online"] == [
        unfed.shown[f"{topic}/_state"]["state"] for topic in (OURS, "acme/leeds/packaging/line1")
    ]
    assert ("m", "Spd") == (
        unfed.shown[f"{OURS}/speed/_meta"]["machine_type"].partition("/")[0],
        unfed.shown[f"{OURS}/speed/_meta"]["sparkplug"]["metric"],
    )
    assert 1 == unfed.namespace.machines_online


def test_the_machine_stays_fresh_when_the_grace_ends_and_its_line_s_own_node_dies(
    unfed: Tree,
) -> None:
    """That its own device was never born means nothing while another stands in for it."""
    say(unfed, real("Spd", 5.0))
    unfed.node("acme:leeds", "packaging:line1")
    unfed.take(unfed.namespace.tick(NOW + 6_000))
    bd_seq = {"name": "bdSeq", "datatype": INT64, "long_value": 0}
    unfed.hear("spBv1.0/acme:leeds/NDEATH/packaging:line1", payload(bd_seq, seq=None))
    assert "Good" == unfed.shown[f"{OURS}/speed"]["quality"]
    assert ["online", "online"] == [
        unfed.shown[f"{topic}/_state"]["state"] for topic in (OURS, "acme/leeds/packaging/line1")
    ]


def test_the_machine_dies_with_the_device_that_it_is(unfed: Tree) -> None:
    """A foreign death is the machine's: stale values, and a state that says so."""
    say(unfed, real("Spd", 5.0))
    unfed.hear("spBv1.0/g/DDEATH/n/filler", payload(seq=2))
    assert ("Stale", "offline") == (
        unfed.shown[f"{OURS}/speed"]["detail"],
        unfed.shown[f"{OURS}/_state"]["state"],
    )


def test_the_machine_s_own_device_comes_first(unfed: Tree) -> None:
    """Whoever speaks under the project's own ids is the machine; the stand-in loses it."""
    say(unfed, real("Spd", 5.0, alias=1))
    unfed.node("acme:leeds", "packaging:line1")
    unfed.device("filler", real("speed", 6.0), at="acme:leeds/DBIRTH/packaging:line1")
    data = payload({"alias": 1, "timestamp": NOW + 5, "float_value": 7.0}, seq=2)
    unfed.hear("spBv1.0/g/DDATA/n/filler", data)
    assert 6.0 == unfed.values()[f"{OURS}/speed"]
    say(unfed, real("Spd", 8.0, alias=1), seq=3)
    assert 6.0 == unfed.values()[f"{OURS}/speed"]
    unfed.hear("spBv1.0/g/DDEATH/n/filler", payload(seq=4))
    assert ("Good", "online") == (
        unfed.shown[f"{OURS}/speed"]["quality"],
        unfed.shown[f"{OURS}/_state"]["state"],
    )


def test_a_value_in_another_unit_is_not_shown_as_the_machine_s(unfed: Tree) -> None:
    """Millimetres are no metres: the rule's engineer is told, and nothing is shown."""
    mm = {"engUnit": (STRING, "string_value", "mm/s")}
    say(unfed, real("Spd", 5.0, properties=mm))
    assert f"{OURS}/speed" not in unfed.values()
    assert f"it comes in `mm/s`, and `{OURS}/speed` is in `m/s`" in unfed.notices[0]


# After a start


def _restarted(rules: tuple, before: Tree) -> Tree:
    """A tree that has read what the broker kept of another one, in no particular order."""
    after = Tree(rules)
    for topic, said in sorted(before.shown.items(), reverse=True):
        after.namespace.remembered(topic, json.dumps(said).encode(), NOW)
    after.namespace.started(NOW)
    return after


def test_after_a_start_foreign_nodes_are_asked_and_the_silent_ones_values_are_stale(rules) -> None:
    """A device may have died while nobody listened: its values must not look live for ever."""
    before = Tree(rules())
    before.node()
    before.device("Filler 1", real("PT", 1.0), LEVEL)
    before.hear("spBv1.0/elsewhere/NBIRTH/n", payload(real("x", 1.0)))
    after = _restarted(rules(), before)
    asked = [str(node) for node in after.namespace.nodes_missing]
    assert ["acme:leeds/packaging:line1", "Plant 1/Line1"] == asked
    after.take(after.namespace.tick(NOW + 6_000))
    shown = {"value": 0.5, "quality": "Uncertain", "timestamp": STAMP, "unit": "bar"}
    assert {**shown, "detail": "Stale"} == after.shown[f"{FILLER}/inputs/level_2"]
    assert {f"{FILLER}/inputs/level_2", f"{FILLER}/pt", f"{OURS}/speed"} == set(after.values())


def test_after_a_start_a_birth_claims_its_values(rules) -> None:
    """What was born again in time never looked stale."""
    before = Tree(rules())
    before.node()
    before.device("Filler 1", real("PT", 1.0))
    after = _restarted(rules(), before)
    after.node()
    after.device("Filler 1", real("PT", 2.0))
    after.take(after.namespace.tick(NOW + 6_000))
    assert (2.0, "Good") == tuple(after.shown[f"{FILLER}/pt"][key] for key in ("value", "quality"))
    assert ["acme:leeds/packaging:line1"] == [str(n) for n in after.namespace.nodes_missing]


@pytest.mark.parametrize("meta", [b"", b"{", b"[]", b"{}", b'{"sparkplug":5}', b"\xff"])
def test_what_is_no_definition_is_no_ghost(rules, meta: bytes) -> None:
    """Anybody may have left anything on the broker; it is left alone."""
    tree = Tree(rules())
    value = b'{"value":1,"quality":"Good","timestamp":"2026-01-08T10:30:00.123Z"}'
    tree.namespace.remembered("acme/leeds/x/_meta", meta, NOW)
    tree.namespace.remembered("acme/leeds/x", value, NOW)
    tree.namespace.started(NOW)
    tree.take(tree.namespace.tick(NOW + 6_000))
    assert "acme/leeds/x" not in tree.values()


def test_a_service_of_one_line_shows_foreign_devices_of_that_line_only(rules) -> None:
    """Two services with one project share the tree: no topic has two writers."""
    within = [TopicFilter.parse("acme/leeds/packaging/line1/#")]
    one = Tree(rules(), within=within)
    whole = Tree(rules())
    own = {"uns": (STRING, "string_value", "acme/leeds/elsewhere/x")}
    for tree in (one, whole):
        for number in (1, 2):
            node = f"Line{number}"
            tree.node("Plant 1", node)
            metrics = (real("PT", 1.0), real("y", 1.0, properties=own))
            tree.device("Filler 1", *metrics, at=f"Plant 1/DBIRTH/{node}")
    after = Tree(rules(), within=within)
    for topic, said in whole.shown.items():
        after.namespace.remembered(topic, json.dumps(said).encode(), NOW)
    assert ({f"{FILLER}/pt"}, []) == (set(one.values()), one.notices)
    assert "Plant 1/Line2" not in [str(node) for node in after.namespace.nodes_missing]


# Whatever happens in whatever order

_NAMES = ["PT 1", "PT-1", "pt/1", "Spd", "speed", "x"]
_DEVICES = ["filler", "Filler", "a", "b"]
_EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("born"),
            st.sampled_from(_DEVICES),
            st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True),
        ),
        st.tuples(st.just("data"), st.sampled_from(_DEVICES), st.integers(0, 3)),
        st.tuples(st.just("died"), st.sampled_from(_DEVICES), st.just(0)),
        st.tuples(st.just("own"), st.sampled_from(["born", "died"]), st.just(0)),
    ),
    max_size=25,
)
_WIDE = """
- devices: "g/n/{device}"
  path: "leeds/packaging/line1/{device:lower}"
  metrics: {Spd: speed}
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A rule under which metrics and devices collide with each other and with the project."""
    folder = tmp_path_factory.mktemp("wide")
    text = "enterprise: acme\nsparkplug:\n  foreign:\n" + _WIDE.strip().replace("- ", "    - ", 1)
    (folder / "plant.yaml").write_text(text.replace("\n  path", "\n      path").replace(
        "\n  metrics", "\n      metrics"))  # fmt: skip
    project = load(folder, Catalogue({}, {})).project
    assert project is not None
    return project.sparkplug.foreign


@given(_EVENTS)
def test_a_topic_has_one_writer_and_no_dead_device_looks_alive(wide: tuple, events: list) -> None:
    """Every Good value is the last one of a device that is there, which alone feeds the topic."""
    plant = _Two(wide)
    for kind, who, what in events:
        plant.step(kind, who, what)
        for topic, said in plant.shown.items():
            if said.get("quality") == "Good":
                assert said["value"] in plant.alive_values(), (topic, kind, who, what)
        leaves = plant.leaves()
        assert len(set(leaves)) == len(leaves)


class _Two:
    """Foreign devices and the project's own filler; every value that is ever sent is another."""

    def __init__(self, rules: tuple) -> None:
        self.namespace = Namespace("acme", [filler(is_driven=False)], rules)
        self.shown: dict[str, dict[str, Any]] = {}
        self.slots: dict[str, list[Slot]] = {}
        self.number = 0

    def alive_values(self) -> set[float]:
        return {slot.value for slots in self.slots.values() for slot in slots}

    def leaves(self) -> list[str]:
        """The topics that somebody feeds, once for each who does."""
        bound = (slot.binding for slots in self.slots.values() for slot in slots)
        return [leaf.topic_text for leaf in bound if leaf is not None]

    def step(self, kind: str, who: str, what: Any) -> None:
        if kind == "own":
            kind, who, what = who, "own", ["speed"]
        is_own = who == "own"
        node = NodeId("acme:leeds", "packaging:line1") if is_own else NodeId("g", "n")
        device = "filler" if is_own else who
        self.number += 1
        if kind == "born":
            slots = [Slot(name, DataType.DOUBLE) for name in what]
            for place, slot in enumerate(slots):
                slot.value, slot.timestamp_ms = self.number / 8 + place / 64, NOW
            self.slots[who] = slots
            self.take(Born(node, device, tuple(slots), NOW))
        elif kind == "died":
            self.slots.pop(who, None)
            self.take(Died(node, device, NOW, "gone"))
        elif who in self.slots:
            slot = self.slots[who][what % len(self.slots[who])]
            slot.value = self.number / 8
            self.take(Changed(node, device, [(slot, slot.value, 192, NOW)]))

    def take(self, event: Born | Changed | Died) -> None:
        out = self.namespace.apply(event, NOW)
        for topic, value in out.values:
            self.shown[topic.decode()] = json.loads(value)
        for message in out.messages:
            self.shown[message.topic] = json.loads(message.payload)


_WHOLE = payload(
    {"name": "bdSeq", "datatype": INT64, "long_value": 0},
    MOTOR,
    PRESSURE,
    {"name": "M", "alias": 20, "datatype": TEMPLATE, "template_value": motor(1)},
    {"name": "at", "datatype": DATETIME, "long_value": NOW},
)


@given(st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)), max_size=6))
def test_no_payload_stops_the_tree(wide: tuple, changes: list[tuple[int, int]]) -> None:
    """Bytes that went wrong on the way cost a metric or a message, never an exception."""
    data = bytearray(_WHOLE)
    for place, byte in changes:
        data[place] = byte
    tree = Tree(wide)
    for topic in ("spBv1.0/g/NBIRTH/n", "spBv1.0/g/DBIRTH/n/a", "spBv1.0/g/DDATA/n/a"):
        tree.hear(topic, bytes(data))
