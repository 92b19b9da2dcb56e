"""Every mistake in `templates` and `routes`, with its place in the files and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from uns.equipment import Machine
from uns.errors import ProjectError
from uns.route.expression import ExpressionError, compile_expression, is_expression
from uns.route.template import (
    PLACE,
    YamlPath,
    duration_ms,
    filled,
    in_units_of,
    leaves,
    machines_of,
    tags_in,
    units_of,
)
from uns.route.unit_words import find_conversion
from uns.route.words import RouteWords, TemplateWords
from uns.topic import TopicFilter
from uns.units import UnitError

__all__ = ["RouteProblem", "fit_problems", "problems", "template_problems"]

#: What every expression may name, besides parameters, `total.x`, `delta.x`, `unit.x`, tag('x').
_NAMES: Final = (
    *("machine", "site", "area", "line", "name"),
    *("order", "state", "final", "start", "time"),
)
_ONLY_IN_MAP: Final = "id"


@dataclass(frozen=True, slots=True)
class RouteProblem:
    """A mistake in `templates` or `routes`; `column` (from 1) is where in the text, 0 if nowhere.

    `code` is the page about it, where that is no page about routes or expressions in general.
    """

    path: YamlPath
    message: str
    hint: str = ""
    column: int = 0
    code: str = ""


def problems(
    templates: Mapping[str, TemplateWords],
    routes: Sequence[RouteWords],
    machines: Sequence[Machine],
    *,
    targets: Collection[str],
    schemas: Collection[str],
) -> Iterator[RouteProblem]:
    """Every mistake in templates and routes, with the place of each in the files."""
    for name, template in templates.items():
        yield from template_problems(("templates", name), template, targets, schemas)
    names: dict[tuple[str, str], int] = {}
    for number, words in enumerate(routes):
        path: YamlPath = ("routes", number)
        yield from _route_problems(path, words, templates, machines)
        if words.use not in templates or _filter_problem(words):
            continue
        yield from fit_problems(words, templates[words.use], machines)
        for machine in machines_of(words, machines):
            other = names.setdefault((words.name or words.use, machine.topic.text), number)
            if other != number:
                yield RouteProblem(
                    path,
                    f"{machine.topic} has a route `{words.name or words.use}` already, "
                    f"from routes[{other}]",
                    hint="give one of them a `name`, or select other machines",
                )
                break


def template_problems(
    path: YamlPath,
    words: TemplateWords,
    targets: Collection[str],
    schemas: Collection[str],
) -> Iterator[RouteProblem]:
    """Mistakes of a template on its own."""
    counter = words.trigger.counter
    counter_path = (*path, "trigger", "counter")
    if bool(counter.order) != bool(counter.since) or (
        counter.since and set(counter.since) != set(counter.tags)
    ):
        yield RouteProblem(
            (*counter_path, "since" if counter.since else "order" if counter.order else "tags"),
            "totals per order need `order`, and `since` with a start for each counter in `tags`",
            hint="without an order leave out both: then counting never ends",
        )
    for place, target in enumerate(words.deliver):
        if target not in targets:
            yield RouteProblem(
                (*path, "deliver", place), f"there is no target `{target}`", _near(target, targets)
            )
    if words.message not in schemas:
        yield RouteProblem(
            (*path, "message"),
            f"there is no schema `{words.message}`",
            _near(words.message, schemas) or "schemas live in schemas/<subject>/<version>.json",
        )
    for leaf_path, leaf in leaves(path, words):
        yield from _leaf_problems(leaf_path, leaf, words)


def _leaf_problems(path: YamlPath, leaf: str, words: TemplateWords) -> Iterator[RouteProblem]:
    if not is_expression(leaf):
        for name in PLACE.findall(leaf):
            if name not in words.params:
                yield RouteProblem(
                    path,
                    f"`{{{name}}}` is no parameter of this template",
                    _near(name, words.params) or "write it under `params` with a default",
                    leaf.index(f"{{{name}}}") + 1,
                )
        return
    try:
        expression = compile_expression(leaf)
    except ExpressionError as error:
        yield RouteProblem(path, str(error), error.hint, error.column)
        return
    known = _known_names(words, is_map=path[2] == "map")
    for name, column in expression.names.items():
        if name not in known and not name.startswith("tag."):
            hint = _near(name, known) or "a tag of the machine is written tag('name')"
            yield RouteProblem(path, f"`{name}` is not known here", hint, column)


def _known_names(words: TemplateWords, *, is_map: bool) -> set[str]:
    kinds = ("total", "delta", "unit")
    counters = {f"{kind}.{name}" for kind in kinds for name in words.trigger.counter.tags}
    return {*_NAMES, *words.params, *counters, *([_ONLY_IN_MAP] if is_map else [])}


def _route_problems(
    path: YamlPath,
    words: RouteWords,
    templates: Mapping[str, TemplateWords],
    machines: Sequence[Machine],
) -> Iterator[RouteProblem]:
    if words.use not in templates:
        yield RouteProblem(
            (*path, "use"), f"there is no template `{words.use}`", _near(words.use, templates)
        )
        return
    params = templates[words.use].params
    for name in words.with_:
        if name not in params:
            yield RouteProblem(
                (*path, "with", name),
                f"`{words.use}` has no parameter `{name}`",
                _near(name, params),
            )
    classes = {name for machine in machines for name in machine.lineage}
    if words.for_each.class_ not in classes:
        yield RouteProblem(
            (*path, "for_each", "class"),
            f"no machine is a `{words.for_each.class_}`",
            _near(words.for_each.class_, classes),
        )
    elif _filter_problem(words):
        yield RouteProblem((*path, "for_each", "select"), _filter_problem(words))
    elif not machines_of(words, machines):
        yield RouteProblem(
            (*path, "for_each", "select"),
            f"no `{words.for_each.class_}` has a topic that matches `{words.for_each.select}`",
            hint="the filter is for the machine's whole topic: `acme/leeds/#`",
        )


def _filter_problem(words: RouteWords) -> str:
    if words.for_each.select is None:
        return ""
    try:
        TopicFilter.parse(words.for_each.select)
    except ProjectError as error:
        return str(error)
    return ""


def fit_problems(
    words: RouteWords, template: TemplateWords, machines: Sequence[Machine]
) -> Iterator[RouteProblem]:
    """Whether parameters can be used, and every machine has the tags that are asked of it."""
    params = {**template.params, **words.with_}
    counter = template.trigger.counter
    counter_path: YamlPath = ("templates", words.use, "trigger", "counter")
    every = filled(counter.every, params)
    if isinstance(every, bool) or not isinstance(every, (int, float)) or every <= 0:
        yield RouteProblem(
            (*counter_path, "every"), f"`{every}` is no number above 0", "for example `every: 100`"
        )
    for word in ("at_most", "settle"):
        text = filled(getattr(counter, word), params)
        if duration_ms(text) is None:
            yield RouteProblem(
                (*counter_path, word), f"`{text}` is no duration", "for example `10s` or `5m`"
            )
    for tag_path, name, needs_whole in _asked_tags(words.use, template, params):
        yield from _tag_problems(tag_path, name, machines_of(words, machines), needs_whole)
    yield from _unit_problems(words, template, params, machines)


def _unit_problems(
    words: RouteWords,
    template: TemplateWords,
    params: Mapping[str, Any],
    machines: Sequence[Machine],
) -> Iterator[RouteProblem]:
    """What an expression wants in a unit that it cannot be told in, on any machine."""
    counters = {
        name: str(filled(tag, params)) for name, tag in template.trigger.counter.tags.items()
    }
    units = [(one, units_of(one, counters)) for one in machines_of(words, machines)]
    for path, leaf in leaves(("templates", words.use), template):
        for asked in in_units_of(leaf):
            is_of_tag = asked.name.startswith(("tag.", "total.", "delta."))
            for machine, known in units:
                if is_of_tag and asked.name not in known:
                    continue  # the tag is not there, which was told
                try:
                    find_conversion(asked, known.get(asked.name))
                except UnitError as error:
                    message = f"{error} ({machine.topic})"
                    yield RouteProblem(path, message, column=asked.column, code="UNS236")
                    break


def _tag_problems(
    path: YamlPath,
    name: str,
    machines: Sequence[Machine],
    needs_whole: bool,  # noqa: FBT001 - one caller, named there
) -> Iterator[RouteProblem]:
    lacking = [machine for machine in machines if machine.find_tag(name) is None]
    if lacking:
        more = f" (nor have {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        known = [tag.name for tag in lacking[0].tags]
        yield RouteProblem(
            path, f"{lacking[0].topic} has no tag `{name}`{more}", _near(name, known)
        )
        return
    for machine in machines:
        tag = machine.find_tag(name)
        if needs_whole and tag and not tag.datatype.is_integer:
            yield RouteProblem(
                path,
                f"`{name}` of {machine.topic} is a {tag.datatype.label}; a counter counts whole pieces",
                hint="give the tag a whole-number type, for example UInt32",
            )
            return


def _asked_tags(
    use: str, words: TemplateWords, params: Mapping[str, Any]
) -> Iterator[tuple[YamlPath, str, bool]]:
    """(where it is written, the tag's name, whether it must be a whole number)."""
    counter = words.trigger.counter
    path: YamlPath = ("templates", use, "trigger", "counter")
    for group in ("tags", "since"):
        for name, tag in getattr(counter, group).items():
            yield (*path, group, name), str(filled(tag, params)), True
    if counter.order:
        yield (*path, "order"), str(filled(counter.order, params)), False
    for leaf_path, leaf in leaves(("templates", use), words):
        for name in tags_in(leaf):
            yield leaf_path, name, False


def _near(word: str, options: Collection[str]) -> str:
    found = difflib.get_close_matches(word, options, n=1)
    return f"did you mean `{found[0]}`?" if found else ""
