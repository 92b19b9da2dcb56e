"""Stamping: templates and routes as written become one route per machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from uns.equipment import Machine, Tag
from uns.errors import ProjectError
from uns.metric import DataType
from uns.route.expression import Expression, compile_expression
from uns.route.message_schema import MessageSchema
from uns.route.problems import fit_problems, template_problems
from uns.route.route import Route, RoutePlan
from uns.route.template import (
    compiled,
    duration_ms,
    filled,
    in_units_of,
    leaves,
    machines_of,
    renderer,
    tags_in,
    units_of,
)
from uns.route.trigger import ORDER, CounterSettings
from uns.route.unit_words import find_conversions
from uns.route.words import CounterWords, RouteWords, TemplateWords

__all__ = ["stamp"]

#: Counters of these types wrap around at the end of their range; smaller ones are more often
#: reset than full, so for them `counter: {rollover: …}` has to be written.
_WRAPPING: Final = {DataType.UINT32: 2**32, DataType.UINT64: 2**64}


def stamp(
    templates: Mapping[str, TemplateWords],
    routes: Sequence[RouteWords],
    machines: Sequence[Machine],
    schemas: Mapping[str, MessageSchema],
) -> list[Route]:
    """One route per use of a template and machine.

    A use that fits no machine of `machines` is none: they may be a selection. Raises
    ProjectError with the first mistake; `uns check` shows all.
    """
    made: list[Route] = []
    for words in routes:
        fitting = machines_of(words, machines)
        if not fitting:
            continue
        if words.use not in templates:
            raise ProjectError(f"routes: there is no template `{words.use}`")
        _refuse(words, templates[words.use], fitting, schemas)
        made += [Route(_plan(templates[words.use], words, machine, schemas)) for machine in fitting]
    return made


def _refuse(
    words: RouteWords,
    template: TemplateWords,
    machines: Sequence[Machine],
    schemas: Mapping[str, MessageSchema],
) -> None:
    path = ("templates", words.use)
    for problem in (
        *template_problems(path, template, template.deliver, schemas),
        *fit_problems(words, template, machines),
    ):
        place = ".".join(str(step) for step in problem.path)
        raise ProjectError(f"{place}: {problem.message}", hint=problem.hint)


def _plan(
    words: TemplateWords,
    route: RouteWords,
    machine: Machine,
    schemas: Mapping[str, MessageSchema],
) -> RoutePlan:
    params = {**words.params, **route.with_}
    counter = words.trigger.counter
    tags = {name: str(filled(tag, params)) for name, tag in counter.tags.items()}
    asked = [tag for _, leaf in leaves((), words) for tag in tags_in(leaf)]
    in_units = [one for _, leaf in leaves((), words) for one in in_units_of(leaf)]
    levels = machine.topic.levels
    constants = {
        **params,
        "machine": machine.topic.text,
        "site": machine.site,
        "area": levels[2] if len(levels) > 2 else None,  # noqa: PLR2004 - enterprise/site/area
        "line": machine.line.text,
        "name": levels[-1],
        **{f"unit.{name}": _tag(machine, tag).unit or None for name, tag in tags.items()},
        **find_conversions(in_units, units_of(machine, tags)),
    }
    return RoutePlan(
        name=route.name or route.use,
        machine=machine,
        settings=_settings(counter, tags, params, machine),
        slots=_slots(counter, tags, params),
        context=frozenset(asked),
        constants=constants,
        when=compiled(words.when) if isinstance(words.when, str) else _never(words.when),
        key=compiled(words.key),
        id=compiled(words.id),
        render=renderer(words.map, params),
        schema=schemas[words.message],
        targets=tuple(words.deliver),
    )


def _settings(
    counter: CounterWords, tags: Mapping[str, str], params: Mapping[str, Any], machine: Machine
) -> CounterSettings:
    rollovers = {}
    for name, tag_name in tags.items():
        tag = _tag(machine, tag_name)
        rollovers[name] = tag.rollover or _WRAPPING.get(tag.datatype)
    return CounterSettings(
        counters=tuple(tags),
        has_order=counter.order is not None,
        every=float(filled(counter.every, params)),
        at_most_ms=duration_ms(filled(counter.at_most, params)) or 0,
        settle_ms=duration_ms(filled(counter.settle, params)) or 0,
        rollovers=rollovers,
    )


def _slots(
    counter: CounterWords, tags: Mapping[str, str], params: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """The trigger's inputs by tag name; one tag may feed several."""
    pairs = [(tag, f"total:{name}") for name, tag in tags.items()]
    pairs += [(str(filled(tag, params)), f"since:{name}") for name, tag in counter.since.items()]
    if counter.order is not None:
        pairs.append((str(filled(counter.order, params)), ORDER))
    slots: dict[str, tuple[str, ...]] = {}
    for tag, slot in pairs:
        slots[tag] = (*slots.get(tag, ()), slot)
    return slots


def _never(when: bool) -> Expression | None:  # noqa: FBT001 - the word `when: false` of a template
    return None if when else compile_expression("= false")


def _tag(machine: Machine, name: str) -> Tag:
    tag = machine.find_tag(name)
    if tag is None:
        raise ProjectError(f"{machine.topic} has no tag `{name}`")
    return tag
