"""What a simulated tag shows, by what the tag is: its states, counter, unit, range and name.

A signal is asked once a second and answers in the tag's own unit; scaling back to what the
device holds is the wiring's business (uns/sim/wiring.py). The first kind in `_KINDS` that
recognises a tag makes its signal, so any project can be simulated, not only ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TypeAlias

from uns.equipment import Tag
from uns.metric import DataType, Value
from uns.sim.machine import STOPS, SimulatedMachine
from uns.sim.order import PRODUCTS, OrderRecord
from uns.sim.packml import State, code_for
from uns.sim.wave import Wave

__all__ = ["Scene", "Signal", "counts_pieces", "is_simulated", "signal_for"]

Signal: TypeAlias = Callable[[float], Value]  # seconds of the simulation → a value


@dataclass(frozen=True, slots=True)
class Scene:
    """What a signal may look at: its machine, if that makes pieces, and totals that are kept."""

    machine: SimulatedMachine | None
    totals: MutableMapping[str, float]  # by topic; they survive a restart
    neighbours: Mapping[str, Tag]  # all tags of the same machine, by name
    seed: int


def signal_for(tag: Tag, scene: Scene) -> Signal | None:
    """The signal that `tag` shows; None where there is none to show."""
    if not is_simulated(tag):
        return None
    rng = random.Random(f"{scene.seed}:{tag.topic}")
    for kind in _KINDS:
        signal = kind(tag, scene, rng)
        if signal is not None:
            return signal
    return None


def is_simulated(tag: Tag) -> bool:
    """Whether a tag is read from a device, and its type is one that we can make up."""
    kind = tag.datatype
    is_known = kind.is_integer or kind.is_real or kind.is_text or kind is DataType.BOOLEAN
    return tag.source is not None and is_known


def counts_pieces(tag: Tag) -> bool:
    """Whether a tag counts things, not kilowatt hours, litres or hours."""
    return tag.is_counter and (tag.unit == "" or tag.unit.startswith("{"))


def _state(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """A PackML state, or whatever a vendor shows instead."""
    del rng
    machine, states = scene.machine, tag.states
    if machine is None or not states or _says(tag, "reason", "mode", "cause"):
        return None
    codes = {state: code_for(state, states) for state in State}
    return lambda _now: codes[machine.state]


def _reason(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """Why a machine stands, as a code or a text; nothing while it runs."""
    machine = scene.machine
    if machine is None or not _says(tag, "reason", "cause"):
        return None
    if tag.datatype.is_text:
        return lambda _now: machine.stop.reason
    codes = {0: 0} | {stop.code: stop.code for stop in STOPS}
    if tag.states:
        given = sorted(tag.states)
        for stop in STOPS:
            codes[stop.code] = stop.code if stop.code in tag.states else rng.choice(given)
        codes[0] = given[0]
    return lambda _now: codes[machine.stop.code]


def _choice(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """Any other enumeration: it rests in the state that sounds like work."""
    del scene, rng
    return None if not tag.states else _constant(code_for(State.EXECUTE, tag.states))


def _order(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """What belongs to the running order."""
    del rng
    machine = scene.machine
    group, _, word = tag.name.lower().rpartition("/")
    is_order = any(part in group for part in ("order", "batch", "job"))
    field = _ORDER_FIELDS.get(word if is_order else tag.name.lower())
    if machine is None or field is None or tag.datatype.is_text is not _is_text(field):
        return None
    return lambda _now: field(machine.orders[-1])


def _counter(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """A counter of pieces, or the total of a power or a flow."""
    machine = scene.machine
    if not tag.is_counter:
        return None
    if machine is None or not counts_pieces(tag):
        return _total(tag, scene, rng)
    if _says(tag, "bad", "reject", "scrap", "defect"):
        return lambda _now: machine.bad
    if _says(tag, "total", "processed", "infeed"):
        return lambda _now: machine.good + machine.bad
    size = _PIECES.get(tag.unit, 1)
    return lambda _now: machine.good // size


def _total(tag: Tag, scene: Scene, rng: random.Random) -> Signal:
    """What a meter adds up: a power over time, hours under load, or some steady use."""
    totals, key, machine = scene.totals, tag.topic.text, scene.machine
    totals.setdefault(key, round(rng.uniform(*_FIRST_TOTAL), 2))
    per_hour = _per_hour(tag, scene, rng)
    last: float | None = None

    def total(now: float) -> Value:
        nonlocal last
        hours = 0.0 if last is None else max(0.0, now - last) / 3600
        last = now
        load = 1.0 if machine is None else machine.load
        totals[key] += per_hour(now) * load * hours
        return int(totals[key]) if tag.datatype.is_integer else round(totals[key], 2)

    return total


def _per_hour(tag: Tag, scene: Scene, rng: random.Random) -> Callable[[float], float]:
    if tag.unit == "h":
        return lambda _now: 1.0
    source = next((near for near in scene.neighbours.values() if near.unit == "kW"), None)
    if source is not None and tag.unit == "kW.h":
        # Seeded like the power's own signal: the meter adds up the very wave that it shows.
        return Wave(source, random.Random(f"{scene.seed}:{source.topic}")).at
    rate = rng.uniform(*_STEADY_PER_H)
    return lambda _now: rate


def _boolean(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """A contact: it follows the machine if its name says so, else it holds."""
    machine = scene.machine
    if tag.datatype is not DataType.BOOLEAN:
        return None
    if machine is not None and _says(tag, "run", "active", "producing"):
        return lambda _now: machine.state is State.EXECUTE
    if machine is not None and _says(tag, "open", "fault", "alarm", "trip", "error"):
        return lambda _now: machine.state in _OPEN
    if machine is not None and _says(tag, "guard", "door", "closed", "safe"):
        return lambda _now: machine.state not in _OPEN
    return _constant(rng.random() < _MOSTLY_ON)


def _text(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """A text: what the order says, else one that holds."""
    machine = scene.machine
    if not tag.datatype.is_text:
        return None
    if machine is None:
        return _constant(f"{tag.name.upper()}-{rng.randrange(1000, 9999)}")
    if _says(tag, "recipe"):
        return lambda _now: _RECIPES.get(machine.orders[-1].product, "")
    if _says(tag, "batch", "lot"):
        return lambda _now: _batch(machine.orders[-1])
    if _says(tag, "product", "brand"):
        return lambda _now: machine.orders[-1].product
    return _constant(f"{tag.name.rpartition('/')[2].upper()}-{rng.randrange(1000, 9999)}")


def _speed(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """Pieces per hour or minute, and what they are meant to be."""
    del rng
    machine = scene.machine
    thing, _, time = tag.unit.rpartition("/")
    if machine is None or not thing.startswith("{") or time not in _PER_HOUR:
        return None
    share = 1 / _PER_HOUR[time]
    if _says(tag, "setpoint", "target", "nominal"):
        return _constant(round(machine.nominal_per_h * share))
    return lambda _now: float(round(machine.speed * share))


def _setpoint(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """A number that somebody set: it holds, so that what a client writes holds too."""
    del scene
    if not (tag.writable or _says(tag, "setpoint", "target", "nominal", "limit")):
        return None
    middle = Wave(tag, rng).middle
    return _constant(round(middle) if tag.datatype.is_integer else middle)


def _analogue(tag: Tag, scene: Scene, rng: random.Random) -> Signal | None:
    """Whatever else is a number: a wave inside its range."""
    machine = scene.machine
    wave = Wave(tag, rng)
    follows = machine is not None and tag.unit in _FOLLOWS_LOAD

    def analogue(now: float) -> Value:
        share = machine.load if follows and machine is not None else 1.0
        value = wave.rounded(now, share)
        return round(value) if tag.datatype.is_integer else value

    return analogue


def _says(tag: Tag, *words: str) -> bool:
    name = tag.name.lower()
    return any(word in name for word in words)


def _constant(value: Value) -> Signal:
    return lambda _now: value


def _batch(record: OrderRecord) -> str:
    """What is printed on a bottle: a letter for the day's brand and the order's number."""
    return f"L{_RECIPES.get(record.product, 'X')[-3:]}-{record.id[-5:]}"


def _is_text(field: Callable[[OrderRecord], Value]) -> bool:
    return isinstance(field(_BLANK), str)


_BLANK = OrderRecord("", "", 0, 0, 0, 0, 0, "")
_RECIPES = {product.name: product.recipe for product in PRODUCTS}
_ORDER_FIELDS: Mapping[str, Callable[[OrderRecord], Value]] = {
    "id": lambda record: record.id,
    "number": lambda record: record.id,
    "order_id": lambda record: record.id,
    "order": lambda record: record.id,
    "product": lambda record: record.product,
    "quantity": lambda record: record.quantity,
    "start_good": lambda record: record.start_good,
    "start_bad": lambda record: record.start_bad,
}
_PIECES = {"{case}": 12, "{carton}": 12, "{layer}": 96, "{pallet}": 480}
_PER_HOUR = {"h": 1.0, "min": 60.0, "s": 3600.0}
_OPEN = frozenset({State.ABORTING, State.ABORTED, State.HELD})
_FOLLOWS_LOAD = frozenset(
    {"A", "N.m", "kW", "W", "mm/s", "L/min", "m3/h", "L/h", "m/min", "m/s", "Hz", "/min", "N"}
)
_FIRST_TOTAL = (2_000.0, 20_000.0)
_STEADY_PER_H = (5.0, 50.0)
_MOSTLY_ON = 0.8
_KINDS = (
    _order,
    _reason,
    _state,
    _choice,
    _counter,
    _boolean,
    _text,
    _speed,
    _setpoint,
    _analogue,
)
