"""`sparkplug:` in a project: what it says where nothing is written, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from uns.project.load import Loaded
from uns.project.sparkplug import Backlog, Sparkplug

FULL = """
enterprise: acme
sparkplug:
  primary_host: uns-acme
  profile: ignition
  aware_broker: true
  backlog: {size: 1GiB, age: 24h, rate: 5000, window: 18s}
"""


def _rule(text: str, rest: str = "") -> str:
    return f"enterprise: acme\n{rest}\nsparkplug:\n  foreign:\n    - {text}\n"


def test_a_project_without_a_word_on_sparkplug_has_the_defaults(loaded: Callable) -> None:
    """No primary host, the specification's profile, 72 hours and 256 MB of backlog, no rules."""
    sparkplug = loaded("enterprise: acme").project.sparkplug
    assert Sparkplug() == sparkplug
    backlog = Backlog(max_bytes=256_000_000, max_age_s=259_200.0, per_second=20_000, window_s=15.0)
    assert ("", "spec", False, backlog, ()) == (
        sparkplug.primary_host,
        sparkplug.profile,
        sparkplug.is_broker_aware,
        sparkplug.backlog,
        sparkplug.foreign,
    )


def test_every_word_arrives(loaded: Callable) -> None:
    """Sizes are bytes and durations seconds by then."""
    expected = Sparkplug("uns-acme", "ignition", True, Backlog(2**30, 86_400.0, 5_000, 18.0))
    assert expected == loaded(FULL).project.sparkplug


def test_the_words_may_stand_in_several_files(loaded: Callable) -> None:
    """One file says how, and each vendor's file adds its rules, in the order of the files."""
    rule = "sparkplug: {foreign: [{devices: %s/n, path: leeds/%s}]}"
    found = loaded(FULL, vendor_a=rule % ("a", "a"), vendor_b=rule % ("b", "b")).project.sparkplug
    assert ("uns-acme", ["a/n", "b/n"]) == (found.primary_host, [r.text for r in found.foreign])


def test_a_word_that_is_said_twice_shows_both_places(loaded: Callable) -> None:
    """Two files with a profile: nobody guesses which one is meant."""
    (found,) = loaded(FULL, b="sparkplug: {profile: spec}").diagnostics
    assert ("UNS201", "`profile` of `sparkplug` is defined in two places") == (
        found.code,
        found.message,
    )
    assert 1 == len(found.related)


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        ("primary_hots: x", "UNS101", "unknown key `primary_hots`", "did you mean `primary_host`?"),
        ("primary_host: a/b", "UNS108", "`/` may not stand in a Sparkplug id", "always right"),
        ("profile: ignitoin", "UNS104", "`ignitoin` is not one of", "did you mean `ignition`?"),
        ("backlog: {size: 256}", "UNS109", "`256` has no unit of size", "`256MB`"),
        ("backlog: {size: a lot}", "UNS109", "`a lot` is not a size", "256MB"),
        ("backlog: {size: 0MB}", "UNS106", "`size` must be more than 0", ""),
        ("backlog: {age: 72}", "UNS109", "`72` has no unit of time", "`72s`"),
        ("backlog: {rate: 0}", "UNS106", "`rate` must be more than 0", ""),
        ("aware_broker: maybe", "UNS105", "`aware_broker` must be true or false", ""),
        ("foreign: {devices: x}", "UNS105", "`foreign` must be a list", ""),
    ],
)
def test_a_wrong_word_is_shown_where_it_is(
    loaded: Callable, words: str, code: str, message: str, hint: str
) -> None:
    """Every slip has its place, its sentence and what to write instead."""
    (found,) = loaded(f"enterprise: acme\nsparkplug:\n  {words}\n").diagnostics
    assert (code, 3) == (found.code, found.span.line)
    assert message in found.message
    assert hint in found.hint


SITES = "sites: {leeds: {}}"


@pytest.mark.parametrize(
    ("rule", "code", "message", "hint"),
    [
        ("{devices: 'a', path: x}", "UNS218", "neither a device nor", "`group/edge node/device`"),
        ("{devices: 'a/b/c/d', path: x}", "UNS218", "neither a device nor", "node's own metrics"),
        ("{devices: 'a//c', path: x}", "UNS218", "neither a device nor", ""),
        ("{devices: 'a/+/c', path: x}", "UNS218", "`+` is no wildcard here", "`*`"),
        ("{devices: 'a/{n:02d}/c', path: x}", "UNS218", "`{n:…}` is captured", "without"),
        ("{devices: 'a/{metric}/c', path: x}", "UNS218", "no part of a device", ""),
        ("{devices: 'a/{n/c', path: x}", "UNS206", "`{` has no partner", "`{{`"),
        (
            "{devices: 'a/{n}', path: 'x/{m}'}",
            "UNS205",
            "captures no `m`",
            "write `{m}` in `devices`",
        ),
        ("{devices: 'a/{line}', path: 'x/{lime}'}", "UNS205", "no `lime`", "mean `line`?"),
        ("{devices: 'a/{n}', path: 'x/{n:snaek}'}", "UNS206", "no filter `snaek`", "`snake`?"),
        ("{devices: 'a/{n}', path: 'x/{metric}/y'}", "UNS218", "`{metric}` stands", "last level"),
        ("{devices: 'a/{n}', path: '{metric}'}", "UNS218", "`{metric}` stands", "last level"),
        ("{devices: 'a/b', path: 'Plant 1/x'}", "UNS108", "(a blank)", ""),
        ("{devices: 'a/b', path: 'leeds//x'}", "UNS108", "may not be empty", ""),
        ("{devices: 'a/b', path: _x/y}", "UNS108", "begin with `_`", ""),
        ("{devices: 'a/b', path: 1/2/3/4/5/6/7}", "UNS216", "at least 9 levels", "at most 8"),
        ("{devices: a/b, path: x, metrics: {p: {unti: bar}}}", "UNS101", "`unti`", "`unit`?"),
        ("{devices: a/b, path: x, metrics: {p: {name: a b}}}", "UNS108", "(a blank)", "`a_b`"),
        ("{devices: a/b, path: x, metrics: {p*: q}}", "UNS218", "several metrics", "one by one"),
        ("{devices: a/b, path: x, metrics: {p: r, q: r}}", "UNS218", "are called `r`", ""),
        ("{devices: a/b, path: x, metrics: {p: {range: [6, 0]}}}", "UNS111", "[6, 0]", ""),
        ("{devices: a/b}", "UNS102", "`path` is required here", ""),
    ],
)
def test_a_wrong_rule_is_shown_before_anything_runs(
    loaded: Callable[..., Loaded], rule: str, code: str, message: str, hint: str
) -> None:
    """What can be known of a rule without its devices is known offline, with its place."""
    (found,) = loaded(_rule(rule)).diagnostics
    assert (code, 5) == (found.code, found.span.line)
    assert message in found.message
    assert hint in found.hint


def test_a_site_that_does_not_exist_is_a_slip(loaded: Callable) -> None:
    """A path begins with one of the project's sites, where it names any."""
    (found,) = loaded(_rule("{devices: a/b, path: leds/x}", SITES)).diagnostics
    assert ("UNS204", "did you mean `leeds`?") == (found.code, found.hint)


def test_a_rule_behind_one_for_the_same_devices_is_a_warning(loaded: Callable) -> None:
    """It would never come to its turn, and nobody would know."""
    rule = "{devices: 'a/{%s}', path: 'x/{%s}'}"
    (found,) = loaded(_rule(f"{rule % ('n', 'n')}\n    - {rule % ('n', 'n')}")).diagnostics
    assert ("UNS218", False) == (found.code, found.is_error)


def test_a_broken_rule_hides_no_other(loaded: Callable) -> None:
    """Each rule is looked at by itself."""
    text = _rule("{devices: a, path: x}\n    - {devices: b, path: x}\n    - {devices: c/d}")
    found: Any = loaded(text).diagnostics
    assert ["UNS218", "UNS218", "UNS102"] == [one.code for one in found]


def test_a_metric_may_be_a_name_a_mapping_or_nothing(loaded: Callable) -> None:
    """`q: r` is short for `q: {name: r}`, and `null` leaves a metric out."""
    metrics = "{a: b, c: {name: d.e, unit: °C, range: [0, 5]}, e: null, 'f*': {deliver: every}}"
    metrics = metrics.replace("}}", "}, g: {range: null}}")
    (rule,) = loaded(
        _rule(f"{{devices: a/b, path: x, metrics: {metrics}}}")
    ).project.sparkplug.foreign
    assert ["b", "d/e", "", ""] == [rule.metric(name).name for name in ("a", "c", "e", "fg")]
    assert {"unit": "Cel", "low": 0.0, "high": 5.0} == rule.metric("c").fields
    assert (True, {"deliver_every": True}) == (
        rule.metric("e").is_left_out,
        rule.metric("fg").fields,
    )
    assert {"low": None, "high": None} == rule.metric("g").fields


def test_a_machine_that_a_rule_feeds_is_complete_without_a_binding(loaded: Callable) -> None:
    """No warning that nothing feeds it, and optional tags too: the device may have them."""
    text = """
enterprise: acme
types: {filler: {tags: {speed: {unit: m/s}, level: {optional: true}}}}
instances: [{path: "leeds/packaging/line{n}/filler", each: {n: 1..2}, is: filler}]
sparkplug: {foreign: [{devices: "p/{n}/{device}", path: "leeds/packaging/line1/{device:lower}"}]}
"""
    found = loaded(text)
    (warning,) = found.diagnostics
    assert "`leeds/packaging/line2/filler`" in warning.message
    assert [["speed", "level"], ["speed"]] == [
        [tag.name for tag in machine.tags] for machine in found.project.machines
    ]


@pytest.mark.parametrize(("host", "codes"), [("uns-acem", ["UNS219"]), ("scada", []), ("", [])])
def test_a_slip_in_the_primary_host_is_a_warning(
    loaded: Callable, host: str, codes: list[str]
) -> None:
    """Edge nodes would wait for ever for a host that nobody is."""
    found = loaded(f'enterprise: acme\nsparkplug: {{primary_host: "{host}"}}')
    assert codes == [one.code for one in found.diagnostics]
    assert found.project.sparkplug.primary_host == host
