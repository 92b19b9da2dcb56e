"""What simulated tags show, by what they are."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from uns.equipment import Alarm, Source, Tag, WritePolicy
from uns.metric import DataType
from uns.sim.machine import STOPS, SimulatedMachine
from uns.sim.order import PRODUCTS, Order
from uns.sim.packml import State, code_for
from uns.sim.raw import raw_for
from uns.sim.signal import Scene, is_simulated, signal_for
from uns.sim.wave import Wave
from uns.topic import Topic

_SOURCE = Source("modbus://x:502", None, "hr:0")
_PACKML = {state.value: state.name.title() for state in State}


def _tag(name: str, datatype: DataType = DataType.FLOAT, **what) -> Tag:
    return Tag(name, Topic(f"a/b/c/d/m/{name}"), datatype, source=_SOURCE, **what)


@pytest.fixture
def machine() -> SimulatedMachine:
    machine = SimulatedMachine(36_000, random.Random(1), good=1000, bad=20)
    machine.begin(Order("LEE-LINE1-00001", PRODUCTS[1], 2400), "2026-01-08T10:30:00.000Z")
    return machine


def _scene(machine: SimulatedMachine | None, *neighbours: Tag) -> Scene:
    return Scene(machine, {}, {tag.name: tag for tag in neighbours}, seed=1)


def _show(tag: Tag, machine: SimulatedMachine | None, now: float = 0.0):
    signal = signal_for(tag, _scene(machine))
    assert signal is not None
    return signal(now)


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        (_tag("state", DataType.INT32, states=_PACKML), 6),
        (_tag("state", DataType.INT32, states={0: "Off", 3: "Running"}), 3),
        (_tag("mode", DataType.INT32, states={1: "Production", 2: "Manual"}), 1),
        (_tag("stop_reason", DataType.INT32, states={0: "None", 101: "Bottle down"}), 0),
        (_tag("good", DataType.UINT32, unit="{bottle}", is_counter=True), 1000),
        (_tag("reject_count", DataType.UINT32, is_counter=True), 20),
        (_tag("pallets", DataType.UINT32, unit="{pallet}", is_counter=True), 2),
        (_tag("order/id", DataType.STRING), "LEE-LINE1-00001"),
        (_tag("order/product", DataType.STRING), "Crème Soda"),
        (_tag("order/quantity", DataType.UINT32), 2400),
        (_tag("order/start_good", DataType.UINT32), 1000),
        (_tag("order/start_bad", DataType.UINT32), 20),
        (_tag("recipe", DataType.STRING), "R-204"),
        (_tag("speed_setpoint", unit="{bottle}/h"), 36_000),
        (_tag("speed", unit="{bottle}/min"), 0.0),
        (_tag("guard_closed", DataType.BOOLEAN), True),
        (_tag("is_running", DataType.BOOLEAN), True),
    ],
)
def test_a_tag_shows_what_it_is(tag, shown, machine):
    """States, counters, orders and set points are recognised by what they are."""
    assert shown == _show(tag, machine)


def test_why_a_machine_stands_is_shown(machine):
    """A stop's code, and its text where the tag is one, until the machine runs again."""
    code = signal_for(_tag("stop_reason", DataType.INT32), _scene(machine))
    text = signal_for(_tag("stop_cause", DataType.STRING), _scene(machine))
    machine.stop = STOPS[2]
    assert (code(0.0), text(0.0)) == (201, "Infeed jam")


def test_every_state_has_a_code_in_any_vendors_words():
    """Whatever a vendor calls its states, each PackML state shows one of them."""
    for states in (_PACKML, {4: "Execute", 2: "Idle"}, {0: "Stop", 1: "Auto", 9: "Störung"}):
        for state in State:
            assert code_for(state, states) in states


@pytest.mark.parametrize("load", [0.0, 1.0])
def test_measured_values_stay_inside_their_range_and_alarms(machine, load):
    """A calm wave: in range always, and between the alarm limits."""
    machine.load = load
    for unit, low, high, alarm in (
        ("bar", 0, 6, Alarm(lo=1, hi=5)),
        ("Cel", -20, 150, Alarm(hi=90, hihi=105)),
        ("mbar", -1000, 0, Alarm(hi=-300)),
        ("", None, None, None),
    ):
        tag = _tag("x", unit=unit, low=low, high=high, alarm=alarm)
        signal = signal_for(tag, _scene(machine))
        values = [signal(float(second)) for second in range(0, 3600, 3)]
        assert len(set(values)) > 20
        floor = max(low or 0, alarm.lo if alarm and alarm.lo is not None else -1e9)
        assert all(floor <= value <= (high or 100) for value in values)
        if alarm and alarm.hi is not None:
            assert max(values) < alarm.hi


def test_what_hangs_on_a_drive_falls_when_it_stands(machine):
    """A motor's current is near nothing at rest and near its middle under load."""
    tag = _tag("drive/current", unit="A", low=0, high=80)
    signal = signal_for(tag, _scene(machine))
    machine.load = 0.0
    assert signal(10.0) == 0.0
    machine.load = 1.0
    assert signal(10.0) > 20


def test_a_meter_adds_up_the_power_it_shows():
    """Kilowatt hours are the integral of the same machine's kilowatts."""
    power = _tag("power", unit="kW", low=0, high=400)
    energy = _tag("energy", DataType.DOUBLE, unit="kW.h", is_counter=True)
    scene = _scene(None, power, energy)
    kilowatts, total = signal_for(power, scene), signal_for(energy, scene)
    first, summed = total(0.0), 0.0
    for second in range(1, 3601):
        summed += kilowatts(float(second)) / 3600
        last = total(float(second))
    assert last - first == pytest.approx(summed, rel=0.01)
    assert scene.totals["a/b/c/d/m/energy"] == pytest.approx(last, abs=0.01)


def test_a_set_point_holds(machine):
    """What somebody set does not move by itself, so what a client writes stays too."""
    tag = _tag("fill_setpoint", unit="mL", low=480, high=520, write=WritePolicy())
    signal = signal_for(tag, _scene(machine))
    assert len({signal(float(second)) for second in range(100)}) == 1


def test_a_counter_with_rollover_starts_again(machine):
    """A PLC's counter rolls over where its tag says; the truth goes on."""
    tag = _tag("good", DataType.UINT32, is_counter=True, rollover=300)
    assert raw_for(tag, DataType.UINT32)(_show(tag, machine)) == 1000 % 300
    small = replace(tag, rollover=None)
    assert raw_for(small, DataType.UINT16)(70_000) == 70_000 % 65_536


@pytest.mark.parametrize(
    ("scale", "held", "value", "raw"),
    [
        (None, DataType.FLOAT, 4.2, 4.2),
        ((0, 100, 0, 1), DataType.UINT32, 123.45, 12345),
        ((0, 27648, 0, 6), DataType.INT16, 3, 13824),
        ((0, 10, 0, 1), DataType.INT16, -4.5, -45),
        (None, DataType.UINT16, -3, 0),
        (None, DataType.INT16, 40_000, 32_767),
        (None, DataType.BOOLEAN, 1, True),
    ],
)
def test_raw_values_go_back_through_the_scale(scale, held, value, raw):
    """A device holds what its scale and its cell make of a value, and never wraps a reading."""
    assert raw == raw_for(_tag("x", scale=scale), held)(value)


def test_what_cannot_be_made_up_is_left_out():
    """Calculated tags and exotic types have no signal."""
    calc = Tag("yield", Topic("a/b/c/d/m/yield"), calc="good / 2")
    array = _tag("zones", DataType.FLOAT_ARRAY)
    assert [is_simulated(calc), is_simulated(array)] == [False, False]
    assert [signal_for(tag, _scene(None)) for tag in (calc, array)] == [None, None]


def test_signals_follow_the_seed(machine):
    """The same seed shows the same values; another one does not."""
    tag = _tag("x", unit="bar", low=0, high=6)

    def values(seed: int) -> list[object]:
        signal = signal_for(tag, replace(_scene(machine), seed=seed))
        return [signal(float(second)) for second in range(50)]

    assert values(3) == values(3)
    assert values(3) != values(4)


def test_a_wave_without_noise_is_repeatable():
    """`at` is a function of time alone: meters rely on it."""
    wave = Wave(_tag("x", low=0, high=10), random.Random(1))
    assert wave.at(5.0) == wave.at(5.0)
