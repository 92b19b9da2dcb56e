"""A live check: what real devices say of the tags of a project, where it is not what was written.

Nothing is written and nothing is subscribed to for longer than the check. Every connection has a
deadline, and one that hangs holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridges.driver import BoundTag, CanDescribe, Description, Driver, Survey
from uns.equipment import Connection, Machine, Tag
from uns.errors import DeviceError, UnsError
from uns.metric import DataType
from uns.project.project import Project
from uns.units import Unit, UnitError, conversion, of_opcua, read

__all__ = ["LiveFinding", "check_devices", "span"]

_AT_ONCE: Final = 20  # connections; as many as a bridge opens
_CLOSE_S: Final = 2.0
_SKEW_S: Final = 2.0  # a clock that is further off makes the order of values doubtful


@dataclass(frozen=True, slots=True)
class LiveFinding:
    """One thing that a device says otherwise. `word` is the key it is about: `unit`, `address`.

    Without a tag it is about the connection as a whole.
    """

    code: str
    message: str
    hint: str
    connection: Connection
    machine: Machine | None = None
    tag: Tag | None = None
    word: str = ""
    is_error: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """A connection, and the tags behind it by their handles."""

    connection: Connection
    tags: Mapping[int, tuple[Machine, Tag]]

    def bound(self) -> list[BoundTag]:
        return [
            BoundTag(handle, tag.source.address, tag.datatype, tag.scan_s, tag.deliver_every)
            for handle, (_, tag) in self.tags.items()
            if tag.source is not None
        ]


async def check_devices(
    project: Project, get_driver: Callable[[str], type[Driver]], *, within_s: float
) -> list[LiveFinding]:
    """Ask every device of the project; each connection for `within_s` at most."""
    limiter = asyncio.Semaphore(_AT_ONCE)
    asked = list(_asked(project))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _check(one, get_driver, limiter, within_s), name=f"check:{one.connection.key}"
            )
            for one in asked
        ]
    return [finding for task in tasks for finding in task.result()]


def _asked(project: Project) -> Iterator[_Asked]:
    tags: dict[str, dict[int, tuple[Machine, Tag]]] = {}
    for machine in project.machines:
        for tag in machine.tags:
            if tag.source is not None:
                of_device = tags.setdefault(tag.source.connection, {})
                of_device[len(of_device) + 1] = machine, tag
    for key, of_device in tags.items():
        yield _Asked(project.connections[key], of_device)


async def _check(
    asked: _Asked,
    get_driver: Callable[[str], type[Driver]],
    limiter: asyncio.Semaphore,
    within_s: float,
) -> list[LiveFinding]:
    connection = asked.connection
    driver = get_driver(connection.driver)(connection.config)
    if not isinstance(driver, CanDescribe):
        message = f"`{connection.driver}` devices cannot be asked yet: {connection.key} was not"
        return [LiveFinding("UNS529", message, "", connection, is_error=False)]
    async with limiter:
        try:
            async with asyncio.timeout(within_s):
                await driver.open()
                survey = await driver.describe(asked.bound())
        except TimeoutError:
            hint = "is it overloaded? `--timeout` gives it longer"
            return [_unreachable(connection, f"no answer within {within_s:g} s", hint)]
        except (UnsError, OSError) as error:
            return [_unreachable(connection, str(error), getattr(error, "hint", ""))]
        finally:
            await _closed(driver)
    return list(_findings(asked, survey))


async def _closed(driver: Driver) -> None:
    """End the session; one that does not end is left to its device."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await driver.close()
    except (TimeoutError, OSError, DeviceError):
        return


def _unreachable(connection: Connection, why: str, hint: str) -> LiveFinding:
    return LiveFinding("UNS520", f"{connection.key} cannot be asked: {why}", hint, connection)


def _findings(asked: _Asked, survey: Survey) -> Iterator[LiveFinding]:
    connection = asked.connection
    if survey.ahead_s is not None and abs(survey.ahead_s) > _SKEW_S:
        way = "ahead of" if survey.ahead_s > 0 else "behind"
        yield LiveFinding(
            "UNS528",
            f"the clock of {connection.key} is {span(abs(survey.ahead_s))} {way} ours",
            "let both follow one NTP server: values carry the device's time",
            connection,
            is_error=False,
        )
    for said in survey.tags:
        machine, tag = asked.tags[said.handle]
        for code, message, hint, word, is_error in _problems(tag, said):
            yield LiveFinding(code, message, hint, connection, machine, tag, word, is_error)


def span(seconds: float) -> str:
    """How far two clocks are apart, for people."""
    if seconds < 120:  # noqa: PLR2004 - two minutes are told in seconds
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - the same


_Problem = tuple[str, str, str, str, bool]  # code, message, hint, key, whether it is an error


def _problems(tag: Tag, said: Description) -> Iterator[_Problem]:
    """What is wrong with one tag; of one that is not there nothing else can be said."""
    address = tag.source.text if tag.source else ""
    if said.is_missing:
        hint = "look for it in the device's own list: another name, or another place"
        yield "UNS521", f"the device has no `{address}`: {said.problem}", hint, "address", True
        return
    if said.problem:
        message = f"`{address}` cannot be read: {said.problem}"
        yield "UNS524", message, "look at our rights on the device, or at the unit", "address", True
    if tag.writable and said.is_writable is False:
        message = f"`{address}` cannot be written: the device does not let us"
        yield "UNS525", message, f"leave out `write:` of `{tag.name}`, or allow it", "write", True
    is_array = tag.datatype.element is not None
    if said.is_array is not None and said.is_array is not is_array:
        yield _other_shape(tag, address, said)
    elif said.datatype is not None:
        yield from _other_type(tag, address, said.datatype)
    yield from _other_unit(tag, address, said)
    if said.every_s is not None:
        slower = f"{said.every_s:.2g}s"
        message = (
            f"`{address}` comes every {slower} at best, and is asked for every {tag.scan_s:g}s"
        )
        yield "UNS527", message, f"write `{tag.name}: {{scan: {slower}}}`", "scan", False


def _other_shape(tag: Tag, address: str, said: Description) -> _Problem:
    if said.is_array:
        message = f"`{address}` is an array, and `{tag.name}` is one value"
        hint = "bind its elements as tags of their own, where the device has them as variables"
        return "UNS526", message, hint, "type", True
    kind = tag.datatype.element
    message = f"`{address}` is one value, and `{tag.name}` is a {tag.datatype.label}"
    return (
        "UNS526",
        message,
        f"write `{tag.name}: {{type: {kind.label}}}`" if kind else "",
        "type",
        True,
    )


def _other_type(tag: Tag, address: str, real: DataType) -> Iterator[_Problem]:
    """A type that never fits is an error; one whose largest values do not is a warning."""
    wanted = tag.datatype
    if wanted is real or wanted.is_text or wanted.element is not None:
        return
    message = f"`{address}` is {real.label}, and `{tag.name}` is {wanted.label}"
    hint = f"write `{tag.name}: {{type: {real.label}}}`"
    if not _is_number(real) or not _is_number(wanted):
        is_truth = DataType.BOOLEAN in (real, wanted) and (_is_number(real) or _is_number(wanted))
        yield "UNS522", message, hint, "type", not is_truth
    elif tag.scale is None and not _holds(wanted, real):
        yield "UNS522", f"{message}: not every value fits", hint, "type", False


def _is_number(kind: DataType) -> bool:
    return kind.is_integer or kind.is_real


def _holds(wanted: DataType, real: DataType) -> bool:
    """Whether every value of the type `real` is one of `wanted`."""
    if wanted.is_real:
        return wanted is DataType.DOUBLE or real is not DataType.DOUBLE
    if real.is_real:
        return False
    (low, high), (least, most) = wanted.limits or (0, 0), real.limits or (0, 0)
    return low <= least and most <= high


def _other_unit(tag: Tag, address: str, said: Description) -> Iterator[_Problem]:
    real = _unit_of(said)
    if real is None or (tag.scale is not None and tag.unit):
        return  # what the device does not say, or what is put right already
    message = f"`{address}` is in `{real.code}`, and `{tag.name}` is in `{tag.unit or 'no unit'}`"
    if not tag.unit:
        yield "UNS523", message, f"write `{tag.name}: {{unit: {_yaml(real)}}}`", "unit", False
        return
    mine = Unit.parse(tag.unit)
    if real.code == mine.code:
        return
    try:
        convert = conversion(real, mine)
    except UnitError:
        yield "UNS523", message, f"write `{tag.name}: {{unit: {_yaml(real)}}}`", "unit", True
        return
    low, high = (f"{convert(raw):.6g}" for raw in (0.0, 100.0))
    if (low, high) != ("0", "100"):
        hint = f"write `{tag.name}: {{scale: [0, 100, {low}, {high}]}}`"
        yield "UNS523", message, hint, "unit", True


def _unit_of(said: Description) -> Unit | None:
    """The device's unit by its id, else by its text where that is a unit; None if it has none."""
    if said.unit_id is not None and (unit := of_opcua(said.unit_id)) is not None:
        return unit
    try:
        return read(said.unit) if said.unit else None
    except UnitError:
        return None


def _yaml(unit: Unit) -> str:
    return f'"{unit.code}"' if set(unit.code) & set("{}[]%") else unit.code
