"""Rules for foreign devices: from what was written to what the namespace asks, checked offline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from uns.hierarchy import MAX_LEVELS, name_problem
from uns.namespace.rule import ForeignRule, MetricRule
from uns.project.findings import Findings
from uns.project.library import Entry, Library
from uns.project.nearest import suggestion
from uns.project.source import Written
from uns.project.sparkplug_words import ForeignWords, MetricWords
from uns.project.template import Field, Template, TemplateError
from uns.project.words import Deliver

__all__ = ["foreign_paths", "rules_of"]

_METRIC = "metric"
_DEFAULT_LEVEL = "{metric:snake}"
_LEVELS = (2, 3)  # group/edge node, and with a device
_ANY = "*"
_HOW = "`group/edge node/device`, or `group/edge node` for the node's own metrics"


def rules_of(library: Library, findings: Findings) -> tuple[ForeignRule, ...]:
    """The rules in their order; one that cannot be made is in `findings`."""
    rules = []
    seen: dict[str, Written] = {}
    for entry in library.foreign:
        rule = _rule(entry, library, findings)
        at = entry.at.at("devices")
        if rule is None:
            continue
        if rule.devices.pattern in seen:
            findings.warn(
                "UNS218",
                f"`{rule.text}` never comes to its turn: an earlier rule takes the same devices",
                at,
                hint="put the two together, or the narrower one first",
                related=(("the earlier rule", seen[rule.devices.pattern]),),
            )
        seen.setdefault(rule.devices.pattern, at)
        rules.append(rule)
    return tuple(rules)


def foreign_paths(library: Library) -> tuple[re.Pattern[str], ...]:
    """What the paths look like that rules can give a device; wrong rules have none."""
    found = []
    for entry in library.foreign:
        head, _, last = entry.words.path.rpartition("/")
        text = head if _METRIC in last else entry.words.path
        try:
            parts = Template.parse(text).parts
        except TemplateError:
            continue
        found.append("".join(re.escape(p) if isinstance(p, str) else _ONE_LEVEL for p in parts))
    return tuple(re.compile(pattern) for pattern in found)


def _rule(entry: Entry[ForeignWords], library: Library, findings: Findings) -> ForeignRule | None:
    words, at = entry.words, entry.at
    captured = _captured(words.devices, at.at("devices"), findings)
    if captured is None:
        return None
    pattern, names = captured
    templates = _templates(words.path, names, at.at("path"), findings)
    if templates is None:
        return None
    base, level = templates
    _check_path(base, at.at("path"), library, findings)
    exact, patterns = _metrics(words.metrics, at.at("metrics"), findings)
    return ForeignRule(words.devices, pattern, base, level, exact, patterns, at.place)


# Which devices


def _captured(
    text: str, at: Written, findings: Findings
) -> tuple[re.Pattern[str], frozenset[str]] | None:
    """The pattern of a rule's devices, and the names that it captures."""
    template = _template(text, at, findings)
    if template is None or not _is_captures(template, at, findings):
        return None
    levels = text.split("/")
    if len(levels) not in _LEVELS or not all(levels):
        message = f"`{text}` is neither a device nor an edge node"
        findings.add("UNS218", message, at, hint=_HOW)
        return None
    for mark in ("#", "+"):
        if mark in text:
            findings.add("UNS218", f"`{mark}` is no wildcard here", at, hint="`{name}`, or `*`")
            return None
    parts, names = [], set[str]()
    for part in template.parts:
        if isinstance(part, str):
            parts.append(_ONE_LEVEL.join(re.escape(text) for text in part.split(_ANY)))
            continue
        parts.append(f"(?P={part.name})" if part.name in names else f"(?P<{part.name}>[^/]+?)")
        names.add(part.name)
    return re.compile("".join(parts)), frozenset(names)


_ONE_LEVEL = "[^/]+?"


def _is_captures(template: Template, at: Written, findings: Findings) -> bool:
    """Whether the places of a rule's devices are captures and nothing else."""
    for place in template.fields:
        there = at.inside(place.column, len(place.name) + 2)
        if place.filter:
            hint = "write it without; `path` may have filters"
            findings.add("UNS218", f"`{{{place.name}:…}}` is captured here", there, hint=hint)
            return False
        if place.name == _METRIC:
            findings.add("UNS218", "`{metric}` is no part of a device", there, hint=_HOW)
            return False
    return True


# Where they belong


def _templates(
    text: str, names: frozenset[str], at: Written, findings: Findings
) -> tuple[Template, Template] | None:
    """The template of the device's place, and that of one level of a metric's name."""
    whole = _template(text, at, findings)
    if whole is None:
        return None
    head, _, last = text.rpartition("/")
    has_metric = any(place.name == _METRIC for place in whole.fields)
    base = Template.parse(head if has_metric else text)
    level = Template.parse(last if has_metric else _DEFAULT_LEVEL)
    misplaced = [place for place in base.fields if place.name == _METRIC]
    if misplaced or len(level.fields) != 1 or not base.parts:
        message = "`{metric}` stands for all levels of a metric's name"
        hint = "let it be the last level, with nothing else captured in it: `…/{metric:snake}`"
        findings.add("UNS218", message, at, hint=hint)
        return None
    unknown = [place for place in base.fields if place.name not in names]
    for place in unknown:
        _report_not_captured(place, names, at, findings)
    return None if unknown else (base, level)


def _report_not_captured(
    place: Field, names: frozenset[str], at: Written, findings: Findings
) -> None:
    findings.add(
        "UNS205",
        f"`devices` captures no `{place.name}`",
        at.inside(place.column, len(place.name) + 2),
        hint=suggestion(place.name, names, otherwise=f"write `{{{place.name}}}` in `devices`"),
    )


def _check_path(base: Template, at: Written, library: Library, findings: Findings) -> None:
    """What can be said of the path without knowing a device: whole numbers fit every filter."""
    levels = base.fill({place.name: "1" for place in base.fields}).split("/")
    for level in levels:
        if problem := name_problem(level):
            findings.add("UNS108", f"`{base.text}`: {problem}", at, hint="below the enterprise")
            return
    site, _, _ = base.text.partition("/")
    is_known = site in library.sites or library.is_broken("sites", site)
    if library.sites and "{" not in site and not is_known:
        hint = suggestion(site, library.sites)
        findings.add("UNS204", f"there is no site `{site}`", at, hint=hint)
    if len(levels) + _ENDS > MAX_LEVELS:
        findings.add(
            "UNS216",
            f"topics below `{base.text}` have at least {len(levels) + _ENDS} levels",
            at,
            hint=f"the tree has at most {MAX_LEVELS}, with the enterprise and the metric",
        )


_ENDS = 2  # the enterprise above the path, and one level of a metric below it


# Single metrics


def _metrics(
    said: Mapping[str, MetricWords | None], at: Written, findings: Findings
) -> tuple[dict[str, MetricRule], tuple[tuple[re.Pattern[str], MetricRule], ...]]:
    """What is said of metrics by name, and by pattern."""
    exact, patterns = {}, []
    taken: dict[str, str] = {}
    for name, words in said.items():
        rule = _metric(words)
        if _ANY not in name:
            exact[name] = rule
        else:
            text = ".*".join(re.escape(part) for part in name.split(_ANY))
            patterns.append((re.compile(text, re.DOTALL), rule))
        if rule.name and _ANY in name:
            hint = "name them one by one"
            findings.add(
                "UNS218", f"`{name}` is several metrics with one name", at.at(name), hint=hint
            )
        if rule.name and rule.name in taken:
            findings.add(
                "UNS218",
                f"two metrics are called `{rule.name}`",
                at.at(name),
                related=(("the other metric", at.at(taken[rule.name])),),
            )
        taken.setdefault(rule.name, name)
        low, high = (words and words.range) or (0.0, 1.0)
        if low >= high:
            message = f"the range [{low:g}, {high:g}] has its least value first, and it is not less"
            findings.add("UNS111", message, at.at(name, "range"))
    return exact, tuple(patterns)


def _metric(words: MetricWords | None) -> MetricRule:
    if words is None:
        return MetricRule(is_left_out=True)
    said = {
        "unit": words.unit,
        "states": words.states,
        "desc": words.desc,
        "deliver_every": _is_every(words),
    }
    fields: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if "range" in words.model_fields_set:
        fields["low"], fields["high"] = words.range or (None, None)
    if words.counter is not None:
        fields |= {"is_counter": True, "rollover": words.counter.rollover}
    return MetricRule(words.name or "", fields=fields)


def _is_every(words: MetricWords) -> bool | None:
    if words.deliver is not None:
        return words.deliver is Deliver.EVERY
    return True if words.counter is not None or words.states is not None else None


def _template(text: str, at: Written, findings: Findings) -> Template | None:
    try:
        return Template.parse(text)
    except TemplateError as error:
        findings.add(error.code, str(error), at.inside(error.column), hint=error.hint)
    return None
