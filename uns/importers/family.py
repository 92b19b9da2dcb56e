"""Families: machines that are the same but for numbers, as one type, binding and entry.

Machines are of one family when they have the same tags, or the same name but for its number
and most of their tags; what some of them have of their own becomes `optional` in the type and
an override with its address.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uns.importers.found import FoundTag
from uns.importers.machines import FoundMachine
from uns.importers.pattern import Parameters, Values, literal, template
from uns.project.template import FILTERS, Template

__all__ = ["Bound", "Family", "families", "regular"]

_ALIKE = 0.6  # of the tags of two machines with one name
_FEWEST = 3  # tags; machines of fewer are not one family by their tags alone
_FRESH_PER_TAGS = 4  # one parameter more than the path's for this many tags: else no pattern


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding: connection and addresses as templates, for the machines at `members`."""

    name: str
    connection: Mapping[str, Any]
    addresses: Mapping[str, str]
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One type and the machines that are of it.

    `path` is a template of `each`; where that cannot be, there are `rows`: the parameters of
    each machine. `shared` go below the entry's `with`. `own` are the addresses of tags that
    not all have, by machine.
    """

    name: str
    machines: tuple[FoundMachine, ...]
    tags: Mapping[str, FoundTag]
    optional: frozenset[str]
    paths: tuple[str, ...]
    path: str
    each: Mapping[str, Values]
    shared: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    bindings: tuple[Bound, ...]
    own: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def families(machines: Sequence[FoundMachine], under: Sequence[str]) -> list[Family]:
    """The families of `machines`; `under` are the levels that their paths lack above."""
    taken: set[str] = set()
    return [_family(group, under, taken) for group in _groups(machines)]


def _groups(machines: Sequence[FoundMachine]) -> list[list[FoundMachine]]:
    """The machines that are of one family each; looked up, for there may be thousands."""
    groups: list[list[FoundMachine]] = []
    by_tags: dict[tuple[object, ...], list[FoundMachine]] = {}
    by_name: dict[tuple[object, ...], list[list[FoundMachine]]] = {}
    for machine in machines:
        kind = (machine.device.driver, len(machine.levels))
        tags = frozenset((name, *_meaning(tag)) for name, tag in machine.tags.items())
        named = by_name.setdefault((*kind, _stem(machine.levels[-1])), [])
        group = by_tags.get((*kind, tags)) if len(tags) >= _FEWEST else None
        group = group or next((one for one in named if _is_kin(machine, one[0])), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(machine)
        by_tags.setdefault((*kind, tags), group)
        if not any(one is group for one in named):
            named.append(group)
    return groups


def _is_kin(one: FoundMachine, other: FoundMachine) -> bool:
    """Whether two machines of one name have most of their tags in common, and none that differ."""
    shared = one.tags.keys() & other.tags.keys()
    if any(_meaning(one.tags[name]) != _meaning(other.tags[name]) for name in shared):
        return False
    return len(shared) >= _ALIKE * len(one.tags.keys() | other.tags.keys())


def _meaning(tag: FoundTag) -> tuple[object, str]:
    """What an override may not change: another unit is another tag."""
    return tag.datatype, tag.unit


def _stem(name: str) -> str:
    """`filler_2` and `filler03` are both `filler`."""
    return re.sub(r"_*[0-9]+\Z", "", name)


def _family(group: list[FoundMachine], under: Sequence[str], taken: set[str]) -> Family:
    paths = ["/".join((*under[: max(0, 4 - len(m.levels))], *m.levels)) for m in group]
    parameters = Parameters()
    path = template(paths, parameters, lambda *_: "n" if _is_numbered(paths) else "name")
    on_path = dict(parameters.values)
    parameters.fresh.clear()
    if path is None:
        parameters = Parameters({"at": tuple(paths)})
        on_path, path = dict(parameters.values), "{at}"
    name = _type_name(group, taken)
    tags, optional = _tags_of(group)
    bindings, own = _bindings(name, group, tags.keys() - optional, parameters)
    shared = _shared(parameters, on_path)
    each = _each(on_path) if shared is not None and len(bindings) == 1 else None
    rows = () if each is not None else _rows(parameters, bindings, len(group))
    return Family(
        name, tuple(group), tags, frozenset(optional), tuple(paths), path, each or {},
        {} if each is None else shared or {}, rows, bindings, own,
    )  # fmt: skip


def _rows(
    parameters: Parameters, bindings: Sequence[Bound], count: int
) -> tuple[dict[str, Any], ...]:
    """What each machine's own entry says below `with`: the parameters that its binding asks for."""
    used = {
        name
        for binding in bindings
        for text in (*binding.addresses.values(), *binding.connection.values())
        for name in (_asked(text) if isinstance(text, str) else ())
    }
    return tuple(
        {name: values[at] for name, values in parameters.values.items() if name in used}
        for at in range(count)
    )


def _asked(text: str) -> set[str]:
    return {place.name for place in Template.parse(text).fields}


def _is_numbered(paths: Sequence[str]) -> bool:
    return len({re.sub("[0-9]+", "#", path) for path in paths}) == 1


def _type_name(group: Sequence[FoundMachine], taken: set[str]) -> str:
    """What most of the machines are called, without the number."""
    stems = Counter(_stem(machine.levels[-1]) or "machine" for machine in group)
    wish = name = stems.most_common(1)[0][0]
    number = 1
    while name in taken:
        number += 1
        name = f"{wish}_{number}"
    taken.add(name)
    return name


def _tags_of(group: Sequence[FoundMachine]) -> tuple[dict[str, FoundTag], set[str]]:
    """The tags of the type, and those that some machines lack."""
    tags: dict[str, FoundTag] = {}
    for machine in group:
        for name, tag in machine.tags.items():
            tags.setdefault(name, tag)
    lacking = {name for name in tags if any(name not in machine.tags for machine in group)}
    return tags, lacking


def _bindings(
    name: str, group: Sequence[FoundMachine], common: set[str], parameters: Parameters
) -> tuple[tuple[Bound, ...], dict[int, dict[str, str]]]:
    """One binding for all, or one for each machine where no pattern fits them."""
    own = {
        place: {
            tag: literal(found.address) for tag, found in machine.tags.items() if tag not in common
        }
        for place, machine in enumerate(group)
    }
    own = {place: addresses for place, addresses in own.items() if addresses}
    before = list(parameters.fresh)
    connection = _connection(group, parameters)
    most = len(parameters.fresh) + 1 + len(common) // _FRESH_PER_TAGS
    addresses: dict[str, str] = {}
    for tag in (tag for tag in group[0].tags if tag in common):
        texts = [machine.tags[tag].address for machine in group]
        made = template(texts, parameters, _wish)
        if made is None or len(parameters.fresh) > most:
            parameters.forget([new for new in parameters.fresh if new not in before])
            return _one_each(name, group, common), own
        addresses[tag] = made
    return (Bound(name, connection, addresses, tuple(range(len(group)))),), own


def _one_each(name: str, group: Sequence[FoundMachine], common: set[str]) -> tuple[Bound, ...]:
    return tuple(
        Bound(
            f"{name}_{place + 1}",
            _literals(machine.device.connection),
            {tag: literal(machine.tags[tag].address) for tag in machine.tags if tag in common},
            (place,),
        )
        for place, machine in enumerate(group)
    )


def _literals(connection: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _setting(value) for key, value in connection.items()}


def _setting(value: Any) -> Any:
    """A setting as a template that stands for itself; what is in the environment stays there."""
    is_text = isinstance(value, str) and not value.startswith("${env:")
    return literal(value) if is_text else value


def _wish(before: str, after: str) -> str:
    """What a place in an address is called: `DB7.` is a `db`, `3/hr:` is a `unit`."""
    if re.search(r"\bDB\Z", before, re.IGNORECASE):
        return "db"
    if not before and after.startswith("/"):
        return "unit"
    if before.endswith("ns="):
        return "ns"
    word = re.search(r"([A-Za-z]{2,})[^A-Za-z0-9]*\Z", before)
    return word[1].lower() if word else "p"


_HOST = re.compile(r"(opc\.tcp://)([^:/]+)(.*)\Z")


def _connection(group: Sequence[FoundMachine], parameters: Parameters) -> dict[str, Any]:
    """The connection of a family; where the machines' differ, parameters say how.

    The host is always one: the next line's is another.
    """
    made: dict[str, Any] = {}
    for key in dict.fromkeys(itertools.chain(*(m.device.connection for m in group))):
        values = [machine.device.connection.get(key) for machine in group]
        split = [_HOST.match(str(value)) for value in values]
        if key == "host":
            made[key] = _place("host", [str(value) for value in values], parameters)
        elif all(split) and len({(s[1], s[3]) for s in split if s}) == 1 and split[0]:
            host = _place("host", [s[2] for s in split if s], parameters)
            made[key] = f"{split[0][1]}{host}{literal(split[0][3])}"
        elif len({repr(value) for value in values}) == 1:
            made[key] = _setting(values[0])
        else:
            made[key] = _place(
                key, [v if isinstance(v, int) else str(v) for v in values], parameters
            )
    return made


def _place(key: str, values: Sequence[int | str], parameters: Parameters) -> str:
    known = next((n for n, had in parameters.values.items() if had == tuple(values)), None)
    return f"{{{known or parameters.add(key, tuple(values))}}}"


def _shared(parameters: Parameters, on_path: Mapping[str, Values]) -> dict[str, Any] | None:
    """The parameters besides the path's as templates of those; None where they follow nothing."""
    shared: dict[str, Any] = {}
    known = Parameters(dict(on_path))
    for name in parameters.fresh:
        values = parameters.values[name]
        if len(set(values)) == 1:
            shared[name] = literal(values[0]) if isinstance(values[0], str) else values[0]
            continue
        made = template([str(value) for value in values], known)
        if made is None:
            return None
        shared[name] = made
    return shared


def _each(on_path: Mapping[str, Values]) -> dict[str, Values] | None:
    """`each:` for the parameters of the path; None where the machines are not all combinations."""
    if not on_path:
        return {}
    rows = list(zip(*on_path.values(), strict=True))
    several = {name: tuple(dict.fromkeys(values)) for name, values in on_path.items()}
    if len(set(rows)) != len(rows) or set(rows) != set(itertools.product(*several.values())):
        return None
    return several


def regular(addresses: Mapping[str, str]) -> str | None:
    """One template for all `addresses` where each follows from its tag's name; else None."""
    if len(addresses) < _FEWEST:
        return None
    filters: dict[str, Callable[[str], str]] = {"": str, **FILTERS}
    for chosen, spell in filters.items():
        made = {
            address.replace(spell(name), f"{{tag:{chosen}}}" if chosen else "{tag}")
            if address.count(spell(name)) == 1
            else name
            for name, address in addresses.items()
        }
        if len(made) == 1 and "{tag" in (only := made.pop()):
            return only
    return None
