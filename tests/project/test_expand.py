"""Expanding: what types, bindings, instances and overrides come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from uns.equipment import Alarm, Machine, Source, SparkplugId, Tag, WritePolicy
from uns.metric import DataType
from uns.project.load import Loaded, load

Load = Callable[..., Loaded]

ROOT = Path(__file__).parents[2]

PLANT = """
enterprise: acme
types:
  machine:
    tags:
      state: {states: packml}
      speed: {unit: rpm, range: [0, 100], alarm: {lo: 5, hi: 90}}
      good: {counter: true}
  motor:
    tags:
      current: {unit: A, range: [0, 80]}
      volts: {unit: V}
      power: {unit: W, calc: current * volts}
  filler:
    extends: machine
    version: 2
    tags:
      recipe: {type: string, write: {roles: [operator]}, optional: true}
      drive: {is: motor}
      speed: {alarm: {hi: 80}}
bindings:
  plc:
    driver: toy
    connection: {host: "{host}"}
    with: {base: 10}
    tags:
      state: reg:1
      speed: {address: "reg:{base} float", unit: Hz, scan: 200ms, alarm: {hihi: 95}}
      good: reg:3
      drive.current: reg:4
      drive/volts: reg:5
sites:
  leeds: {net: "10.1"}
  porto: {net: "10.2"}
instances:
  - path: "{site}/packaging/line{n}/filler"
    each: {site: [leeds, porto], n: 1..2}
    is: filler
    bind: plc
    with: {host: "{net}.{n}.20"}
    tags: {speed: {range: [0, 120]}}
"""


def _machine(loaded: Loaded, path: str) -> Machine:
    assert loaded.project is not None, loaded.diagnostics
    found = [m for m in loaded.project.machines if m.topic.text == f"acme/{path}"]
    return found[0]


def _tag(loaded: Loaded, name: str, path: str = "leeds/packaging/line1/filler") -> Tag:
    tag = _machine(loaded, path).find_tag(name)
    assert tag is not None
    return tag


def test_the_example_of_the_design_is_eight_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project of the design page expands to 8 machines and 80 tags, as it stands."""
    from uns.cli.catalogue import catalogue

    found = load(ROOT / "config/acme", catalogue())
    assert () == found.diagnostics
    assert found.project is not None
    assert (8, 80) == (len(found.project.machines), found.project.tag_count)
    assert {10} == {len(machine.tags) for machine in found.project.machines}
    assert "100 * good / (good + bad)" == _tag(found, "yield").calc
    odd = _machine(found, "porto/packaging/line3/filler").find_tag("product_temp")
    assert odd is not None
    assert odd.source is not None
    assert "s=Line3.Filler.ProductTemp" == odd.source.text
    lower = _tag(found, "bowl_pressure", "porto/packaging/line4/filler")
    assert (0, 8, Alarm(lo=1, hi=7)) == (lower.low, lower.high, lower.alarm)


def test_one_entry_stamps_every_combination(loaded: Load) -> None:
    """Two sites and two lines are four machines, each with its own connection and ids."""
    found = loaded(PLANT)
    assert found.project is not None
    assert [
        "acme/leeds/packaging/line1/filler",
        "acme/leeds/packaging/line2/filler",
        "acme/porto/packaging/line1/filler",
        "acme/porto/packaging/line2/filler",
    ] == [machine.topic.text for machine in found.project.machines]
    assert {"toy://10.1.1.20:9000", "toy://10.1.2.20:9000"} < set(found.project.connections)
    machine = _machine(found, "porto/packaging/line2/filler")
    assert SparkplugId("acme:porto", "packaging:line2", "filler") == machine.sparkplug
    assert ("filler", "machine") == machine.lineage
    assert 2 == machine.version
    assert ("porto", 2, "10.2", "10.2.2.20") == tuple(
        machine.parameters[name] for name in ("site", "n", "net", "host")
    )


def test_type_binding_instance_override_is_the_order_of_precedence(loaded: Load) -> None:
    """Each layer wins over the ones before it; mappings merge, lists are replaced."""
    found = loaded(
        PLANT,
        more="overrides: {leeds/packaging/line2/filler: {tags: {speed: {alarm: {lo: 7}}}}}",
    )
    usual, other = _tag(found, "speed"), _tag(found, "speed", "leeds/packaging/line2/filler")
    assert ("Hz", 0, 120, 0.2) == (usual.unit, usual.low, usual.high, usual.scan_s)
    assert Alarm(lo=5, hi=80, hihi=95) == usual.alarm
    assert Alarm(lo=7, hi=80, hihi=95) == other.alarm


def test_composition_puts_a_parts_tags_below_its_name(loaded: Load) -> None:
    """`drive: {is: motor}` is drive/current; its formula speaks of its own neighbours."""
    found = loaded(PLANT)
    current = _tag(found, "drive/current")
    assert ("A", 0, 80) == (current.unit, current.low, current.high)
    assert Source("toy://10.1.1.20:9000", (1, 4, "int"), "reg:4") == current.source
    assert "drive.current * drive.volts" == _tag(found, "drive/power").calc
    assert None is _tag(found, "drive/power").source


def test_an_optional_tag_without_address_is_left_out(loaded: Load) -> None:
    """A machine that lacks an optional tag has no topic for it; with an address it has."""
    assert None is _machine(loaded(PLANT), "leeds/packaging/line1/filler").find_tag("recipe")
    found = loaded(
        PLANT,
        more="overrides: {leeds/packaging/line1/filler: {tags: {recipe: 'reg:9'}}}",
    )
    recipe = _tag(found, "recipe")
    assert ("reg:9", DataType.STRING) == (recipe.source and recipe.source.text, recipe.datatype)
    assert (True, WritePolicy(("operator",)), True) == (
        recipe.writable,
        recipe.write,
        recipe.is_optional,
    )


def test_what_a_tag_is_for_decides_what_is_not_said(loaded: Load) -> None:
    """Counters are Int64 and states Int32, both delivered every time; other tags are Float."""
    found = loaded(PLANT)
    state, good, speed = (_tag(found, name) for name in ("state", "good", "speed"))
    assert (DataType.INT32, True) == (state.datatype, state.deliver_every)
    assert "Execute" == (state.states or {})[6]
    assert (DataType.INT64, True, True) == (good.datatype, good.deliver_every, good.is_counter)
    assert (DataType.FLOAT, False) == (speed.datatype, speed.deliver_every)


def test_every_word_of_a_tag_arrives(loaded: Load) -> None:
    """Nothing an engineer writes about a tag is lost on the way."""
    found = loaded("""
enterprise: acme
types:
  pump:
    tags:
      flow:
        type: LREAL
        unit: °C
        range: [-10, 10]
        alarm: {lolo: -9, lo: -8, hi: 8, hihi: 9, delay: 5s}
        deadband: {change: 5%, time: 3s}
        heartbeat: 10s
        scan: 500ms
        deliver: every
        stale: 1m
        store: false
        write: {readback: true}
        scale: [0, 27648, -10, 10]
        desc: What flows
        was: [stream, current]
        semantic_id: 0173-1#02-AAA
      count: {type: DINT, counter: {rollover: 65536}, deliver: latest}
      mode: {states: {0: idle, 1: running}, type: UInt8}
bindings:
  names: {driver: names, connection: {endpoint: here}, tags: "{machine}.{tag}"}
instances:
  - {path: leeds/a/b/pump, is: pump, bind: names}
""")
    flow = _tag(found, "flow", "leeds/a/b/pump")
    assert (DataType.DOUBLE, "Cel", -10, 10) == (flow.datatype, flow.unit, flow.low, flow.high)
    assert Alarm(-9, -8, 8, 9, 5.0) == flow.alarm
    assert (1.0, 0.5, 60.0) == (flow.deadband, flow.scan_s, flow.stale_s)
    assert (3.0, 10.0, False) == (flow.deadband_s, flow.heartbeat_s, flow.is_kept)
    assert (True, WritePolicy(readback_s=5.0)) == (flow.deliver_every, flow.write)
    assert ((0, 27648, -10, 10), "What flows") == (flow.scale, flow.desc)
    assert "pump.flow" == (flow.source and flow.source.text)
    count = _tag(found, "count", "leeds/a/b/pump")
    assert (DataType.INT32, 65536, False) == (count.datatype, count.rollover, count.deliver_every)
    mode = _tag(found, "mode", "leeds/a/b/pump")
    assert ({0: "idle", 1: "running"}, DataType.UINT8) == (mode.states, mode.datatype)


def test_a_list_of_bindings_fills_in_what_each_names(loaded: Load) -> None:
    """A PLC by one template and a meter by name: the one that names a tag has it."""
    found = loaded("""
enterprise: acme
types:
  press: {tags: {force: {unit: kN}, energy: {unit: kW.h, counter: true}}}
bindings:
  plc: {driver: names, connection: {endpoint: plc}, tags: "s={tag:pascal}"}
  meter: {driver: toy, connection: {host: meter}, tags: {energy: "reg:{unit}"}}
instances:
  - {path: leeds/a/b/press, is: press, bind: [plc, meter], with: {unit: 7}}
""")
    force = _tag(found, "force", "leeds/a/b/press").source
    energy = _tag(found, "energy", "leeds/a/b/press").source
    assert ("plc", "s=Force") == (force and force.connection, force and force.text)
    assert ("toy://meter:9000", (1, 7, "int")) == (
        energy and energy.connection,
        energy and energy.address,
    )


def test_a_binding_may_name_some_tags_and_have_a_template_for_the_rest(loaded: Load) -> None:
    """`*` is every tag that is not named."""
    found = loaded("""
enterprise: acme
types: {press: {tags: {force: {}, stroke: {}}}}
bindings:
  plc:
    driver: names
    connection: {endpoint: plc}
    tags: {"*": {address: "s={tag}", scan: 5s}, stroke: odd one}
instances: [{path: leeds/a/b/press, is: press, bind: plc}]
""")
    force, stroke = (_tag(found, name, "leeds/a/b/press") for name in ("force", "stroke"))
    assert ("s=force", 5.0) == (force.source and force.source.text, force.scan_s)
    assert ("odd one", 1.0) == (stroke.source and stroke.source.text, stroke.scan_s)


def test_tags_that_differ_only_in_how_addresses_are_read_share_a_connection(loaded: Load) -> None:
    """A gateway with several units is one session; a tag may have settings of its own."""
    found = loaded("""
enterprise: acme
types: {meter: {tags: {power: {}, volts: {}}}}
bindings:
  gateway:
    driver: toy
    connection: {host: gateway, unit: "{unit}"}
    tags:
      power: reg:1
      volts: {address: "reg:2", connection: {unit: 99}}
instances:
  - {path: "leeds/a/b/meter{unit}", each: {unit: 1..3}, is: meter, bind: gateway}
""")
    assert found.project is not None
    assert ["toy://gateway:9000"] == list(found.project.connections)
    power, volts = (_tag(found, name, "leeds/a/b/meter3").source for name in ("power", "volts"))
    assert [(3, 1, "int"), (99, 2, "int")] == [s.address for s in (power, volts) if s]


def test_an_array_is_one_tag_or_part_for_each_index(loaded: Load) -> None:
    """`zone` with `1..3` is zone/1 to zone/3, and `{i}` is in its address."""
    found = loaded("""
enterprise: acme
types:
  motor: {tags: {current: {unit: A}}}
  oven:
    tags:
      zone: {unit: Cel, array: 1..3}
      fan: {is: motor, array: [left, right]}
bindings:
  plc:
    driver: names
    connection: {endpoint: plc}
    tags: {zone: "Zone[{i}]", zone/2: special, fan.current: "Fan.{i}.I"}
instances: [{path: leeds/a/b/oven, is: oven, bind: plc}]
""")
    machine = _machine(found, "leeds/a/b/oven")
    assert {
        "zone/1": "Zone[1]",
        "zone/2": "special",
        "zone/3": "Zone[3]",
        "fan/left/current": "Fan.left.I",
        "fan/right/current": "Fan.right.I",
    } == {tag.name: tag.source and tag.source.text for tag in machine.tags}


def test_overrides_may_speak_of_many_machines(loaded: Load) -> None:
    """`*` stands for one name; what is written later wins."""
    found = loaded(
        PLANT,
        more="""
overrides:
  "*/packaging/line1/*": {with: {base: 20}}
  porto/packaging/line1/filler: {with: {base: 30}}
""",
    )
    addresses = [
        tag.source.address
        for machine in found.project.machines  # type: ignore[union-attr]
        if (tag := machine.find_tag("speed")) and tag.source
    ]
    assert [(1, 20, "float"), (1, 10, "float"), (1, 30, "float"), (1, 10, "float")] == addresses


def test_an_override_can_bind_and_type_a_machine_anew(loaded: Load) -> None:
    """The odd machine of a row has another make and another type."""
    found = loaded(
        PLANT,
        more="""
bindings: {other: {driver: names, connection: {endpoint: "{host}"}, tags: "x.{tag}"}}
overrides: {porto/packaging/line2/filler: {bind: other, is: machine, with: {host: there}}}
""",
    )
    machine = _machine(found, "porto/packaging/line2/filler")
    assert ("machine", 3) == (machine.type_name, len(machine.tags))
    assert {"there"} == {tag.source.connection for tag in machine.tags if tag.source}


def test_a_cell_is_part_of_the_device_id(loaded: Load) -> None:
    """With a cell in its path the Sparkplug device is cell:machine, and {cell} is known."""
    found = loaded("""
enterprise: acme
types: {robot: {tags: {pose: {}}}}
bindings: {r: {driver: names, connection: {endpoint: r}, tags: "{cell}.{machine}.{tag}"}}
instances: [{path: leeds/body/line1/weld2/robot, is: robot, bind: r}]
""")
    machine = _machine(found, "leeds/body/line1/weld2/robot")
    assert SparkplugId("acme:leeds", "body:line1", "weld2:robot") == machine.sparkplug
    assert "weld2.robot.pose" == (machine.tags[0].source and machine.tags[0].source.text)


def test_given_parameters_win_over_the_files(loaded: Load) -> None:
    """What the command line says is stronger than sites, `each` and `with`."""
    found = loaded(PLANT, given={"host": "127.0.0.1"})
    assert found.project is not None
    assert ["toy://127.0.0.1:9000"] == list(found.project.connections)


def test_places_lead_back_to_the_files(loaded: Load) -> None:
    """A tag knows the line of its address, a machine that of its entry."""
    found = loaded(PLANT)
    speed = _tag(found, "speed")
    lines = PLANT.splitlines()
    assert speed.place is not None
    assert lines[speed.place.line - 1].lstrip().startswith("speed: {address")
    machine = _machine(found, "leeds/packaging/line1/filler")
    assert machine.place is not None
    assert lines[machine.place.line - 1].lstrip().startswith("- path:")


def test_a_formula_may_be_replaced_by_an_address(loaded: Load) -> None:
    """A vendor that knows the yield itself is asked for it; a later calc wins again."""
    text = """
enterprise: acme
types: {press: {tags: {a: {}, b: {calc: a * 2}}}}
bindings: {plc: {driver: toy, connection: {host: plc}, tags: {a: "reg:1", b: "reg:2"}}}
instances:
  - {path: "leeds/a/b/press{n}", each: {n: 1..2}, is: press, bind: plc}
overrides: {leeds/a/b/press2: {tags: {b: {calc: a * 3}}}}
"""
    found = loaded(text)
    first, second = (_tag(found, "b", f"leeds/a/b/press{n}") for n in (1, 2))
    assert ("", "reg:2") == (first.calc, first.source and first.source.text)
    assert ("a * 3", None) == (second.calc, second.source)


def test_an_address_is_parsed_once_for_all_machines_that_read_it_alike(loaded: Load) -> None:
    """Machines whose settings give an address the same meaning share the parsed one."""
    found = loaded("""
enterprise: acme
types: {meter: {tags: {power: {}}}}
bindings:
  m: {driver: toy, connection: {host: "10.0.0.{n}", unit: "{unit}"}, tags: {power: "reg:1"}}
instances:
  - {path: "leeds/a/unit{unit}/meter{n}", each: {n: 1..2, unit: 1..2}, is: meter, bind: m}
""")
    assert found.project is not None
    sources = [machine.tags[0].source for machine in found.project.machines]
    addresses = [source.address for source in sources if source]
    assert [(1, 1, "int"), (2, 1, "int")] * 2 == addresses
    assert addresses[0] is addresses[2]
    assert addresses[1] is addresses[3]


def test_meanings_come_from_the_type(loaded: Load) -> None:
    """A machine means what its type, or the nearest ancestor that says so, means; so do tags."""
    found = loaded("""
enterprise: acme
types:
  machine: {abstract: true, semantic_id: "0173-1#01-AAA#1"}
  filler: {extends: machine, tags: {speed: {semantic_id: "0173-1#02-BBB#1", optional: true}}}
  odd: {extends: filler, semantic_id: "0173-1#01-CCC#1"}
bindings: {plc: {driver: toy, connection: {host: a}, tags: {speed: "reg:1"}}}
instances:
  - {path: leeds/shop/line1/filler, is: filler, bind: plc}
  - {path: leeds/shop/line1/odd, is: odd, bind: plc}
""")
    assert found.project is not None, found.diagnostics
    assert ["0173-1#01-AAA#1", "0173-1#01-CCC#1"] == [m.semantic_id for m in found.project.machines]
    assert "0173-1#02-BBB#1" == found.project.machines[0].tags[0].semantic_id


def test_former_names_are_kept_in_full(loaded: Load) -> None:
    """A renamed tag in a renamed part, an element of an array and a machine know what they were."""
    found = loaded("""
enterprise: acme
types:
  motor: {tags: {temp: {was: temperature, optional: true}}}
  filler:
    tags:
      drive: {is: motor, was: engine}
      zone: {array: 1..2, was: [area, heating.area]}
instances:
  - {path: "leeds/shop/line{n}/filler", each: {n: 1}, is: filler, was: "leeds/hall/line{n}/filler",
     tags: {zone/2: {was: last}}}
bindings: {plc: {driver: toy, connection: {host: a}, tags: {drive.temp: "reg:1"}}}
overrides: {leeds/shop/line1/filler: {bind: plc}}
""")
    assert found.project is not None, found.diagnostics
    machine = found.project.machines[0]
    assert {
        "drive/temp": ("drive/temperature", "engine/temp", "engine/temperature"),
        "zone/1": ("area/1", "heating/area/1"),
        "zone/2": ("last",),
    } == {tag.name: tag.was for tag in machine.tags}
    assert ("acme/leeds/hall/line1/filler",) == tuple(topic.text for topic in machine.was)


def test_alarms_and_writes_have_limits_of_their_own(loaded: Load) -> None:
    """Hysteresis is an amount or a share of the range; each layer adds to who may write what."""
    found = loaded("""
enterprise: acme
types:
  filler:
    tags:
      level: {range: [0, 50], alarm: {hi: 40, hysteresis: 2%}, write: {roles: [operator]}}
bindings: {plc: {driver: toy, connection: {host: a}, tags: {level: "reg:1"}}}
instances: [{path: leeds/shop/line1/filler, is: filler, bind: plc}]
overrides: {"*/*/*/filler": {tags: {level: {write: {range: [10, 20], every: 5s}}}}}
""")
    level = _tag(found, "level", "leeds/shop/line1/filler")
    assert Alarm(hi=40, hysteresis=1) == level.alarm
    assert WritePolicy(("operator",), 10, 20, 5.0) == level.write


@pytest.mark.parametrize(
    ("base", "override", "expected"),
    [
        ("1", "{time: 5s}", (1.0, 5.0)),
        ("{change: 1%, time: 5s}", "2", (2.0, 0.0)),
        ("{change: 1%, time: 5s}", "{change: 2}", (2.0, 5.0)),
        ("{time: 5s}", "{}", (0.0, 5.0)),
    ],
)
def test_deadbands_merge_as_mappings_and_a_number_is_a_whole_one(
    loaded: Load, base: str, override: str, expected: tuple[float, float]
) -> None:
    """What an override does not say stays, unless it says the deadband in one word."""
    found = loaded(f"""
enterprise: acme
types: {{pump: {{tags: {{flow: {{range: [0, 100], deadband: {base}}}}}}}}}
bindings: {{names: {{driver: names, connection: {{endpoint: here}}, tags: "{{machine}}.{{tag}}"}}}}
instances: [{{path: leeds/a/b/pump, is: pump, bind: names}}]
overrides: {{leeds/a/b/pump: {{tags: {{flow: {{deadband: {override}}}}}}}}}
""")
    flow = _tag(found, "flow", "leeds/a/b/pump")
    assert expected == (flow.deadband, flow.deadband_s)
