"""Routes as the whole project sees them: templates, targets, types and tags that must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uns.equipment import Machine
from uns.project.findings import Findings
from uns.project.library import Entry, Library
from uns.project.nearest import suggestion
from uns.project.source import Written
from uns.route.expression import ExpressionError, compile_expression, is_expression
from uns.route.words import CounterWords, RouteWords, TemplateWords
from uns.topic import TopicFilter

__all__ = ["check_routes"]

_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


def check_routes(library: Library, machines: Sequence[Machine], findings: Findings) -> None:
    """Report whatever a route or template names that is not there."""
    for template in library.templates.values():
        _check_template(template, library, findings)
    for route in library.routes:
        _check_route(route, library, machines, findings)


def _check_template(entry: Entry[TemplateWords], library: Library, findings: Findings) -> None:
    for number, name in enumerate(entry.words.deliver):
        if name not in library.targets and not library.is_broken("targets", name):
            hint = suggestion(name, library.targets, otherwise="name it below `targets:`")
            at = entry.at.at("deliver", number)
            findings.add("UNS404", f"there is no target `{name}`", at, hint=hint)
    for text, at in _expressions(entry):
        filled = _PLACE.sub(lambda found: str(entry.words.params.get(found[1], found[0])), text)
        try:
            compile_expression(filled)
        except ExpressionError as error:
            place = at.inside(error.column) if filled == text else at
            findings.add("UNS401", str(error), place, hint=error.hint)


def _expressions(entry: Entry[TemplateWords]) -> Iterator[tuple[str, Written]]:
    words = entry.words
    yield from _leaves(words.when, entry.at.at("when"))
    yield from _leaves(words.key, entry.at.at("key"))
    yield from _leaves(words.id, entry.at.at("id"))
    yield from _leaves(words.map, entry.at.at("map"))


def _leaves(value: Any, at: Written) -> Iterator[tuple[str, Written]]:
    """The expressions of a map, each with its place."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, at.at(key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _leaves(below, at.at(number))
    elif is_expression(value):
        yield value, at


def _check_route(
    entry: Entry[RouteWords], library: Library, machines: Sequence[Machine], findings: Findings
) -> None:
    words = entry.words
    template = library.templates.get(words.use)
    if template is None:
        if not library.is_broken("templates", words.use):
            hint = suggestion(words.use, library.templates)
            at = entry.at.at("use")
            findings.add("UNS403", f"there is no template `{words.use}`", at, hint=hint)
        return
    for name in words.with_:
        if name not in template.words.params:
            findings.add(
                "UNS405",
                f"template `{words.use}` has no parameter `{name}`",
                entry.at.at("with", name),
                hint=suggestion(name, template.words.params, otherwise="add it to its `params:`"),
                of_key=True,
            )
    class_ = words.for_each.class_
    at = entry.at.at("for_each", "class")
    if class_ not in library.types:
        if not library.is_broken("types", class_):
            hint = suggestion(class_, library.types)
            findings.add("UNS202", f"there is no type `{class_}`", at, hint=hint)
        return
    chosen = [machine for machine in machines if _is_chosen(words, machine)]
    if not chosen and machines:
        findings.warn("UNS406", "no machine is of this class and selection", at)
    if chosen:
        _check_tags(template, chosen[0], at, findings)


def _is_chosen(words: RouteWords, machine: Machine) -> bool:
    if words.for_each.class_ not in machine.lineage:
        return False
    select = words.for_each.select
    return select is None or TopicFilter(select).matches(machine.topic.text)


def _check_tags(
    template: Entry[TemplateWords], machine: Machine, route: Written, findings: Findings
) -> None:
    """The tags that a template's trigger names, on the first machine that it is stamped on."""
    known = {tag.name for tag in machine.tags}
    for name, at in _trigger_tags(
        template.words.trigger.counter, template.at.at("trigger", "counter")
    ):
        if name not in known and not _PLACE.search(name):
            findings.add(
                "UNS407",
                f"`{machine.type_name}` has no tag `{name}`",
                at,
                hint=suggestion(name, known),
                related=(("this route uses it", route),),
            )


def _trigger_tags(counter: CounterWords, at: Written) -> Iterator[tuple[str, Written]]:
    for key, name in counter.tags.items():
        yield name, at.at("tags", key)
    for key, name in counter.since.items():
        yield name, at.at("since", key)
    if counter.order is not None:
        yield counter.order, at.at("order")
