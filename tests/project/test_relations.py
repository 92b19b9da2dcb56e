"""Relations and assets: what machines have to do with each other, and what stands where."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from uns.equipment import Asset, Machine, Relation
from uns.project.load import Loaded
from uns.topic import Topic

Load = Callable[..., Loaded]

LINE = """
enterprise: acme
sites: {leeds: {}}
types:
  filler: {relations: {feeds: capper}}
  capper: {}
  meter: {relations: {measures: "{site}/{area}/{line}"}}
instances:
  - {path: "leeds/packaging/line{n}/filler", each: {n: 1..2}, is: filler}
  - {path: "leeds/packaging/line{n}/capper", each: {n: 1..2}, is: capper}
  - {path: "leeds/packaging/line1/meter", is: meter}
"""


def _machine(found: Loaded, path: str) -> Machine:
    assert found.project is not None, found.diagnostics
    return next(m for m in found.project.machines if m.topic.text == f"acme/leeds/{path}")


def _codes(found: Loaded) -> list[str]:
    return [one.code for one in found.diagnostics]


def test_a_relation_is_known_at_both_ends(loaded: Load) -> None:
    """The filler of each line feeds the capper beside it, which is fed by it."""
    found = loaded(LINE)
    filler = _machine(found, "packaging/line2/filler")
    capper = _machine(found, "packaging/line2/capper")
    assert (Relation("feeds", capper.topic, "fed_by"),) == filler.relations
    assert (Relation("fed_by", filler.topic, "feeds", is_declared=False),) == capper.relations


def test_a_relation_may_be_to_a_line(loaded: Load) -> None:
    """An energy meter measures the whole line; a path is a template."""
    meter = _machine(loaded(LINE), "packaging/line1/meter")
    line = Topic("acme/leeds/packaging/line1")
    assert (Relation("measures", line, "measured_by"),) == meter.relations


def test_both_ends_may_say_it(loaded: Load) -> None:
    """Said at both ends it is declared at both, once."""
    more = "overrides: {leeds/packaging/line1/capper: {relations: {fed_by: filler}}}"
    found = loaded(LINE, more=more)
    assert [("feeds", True)] == [
        (r.name, r.is_declared) for r in _machine(found, "packaging/line1/filler").relations
    ]
    assert [("fed_by", True)] == [
        (r.name, r.is_declared) for r in _machine(found, "packaging/line1/capper").relations
    ]


def test_an_override_takes_a_relation_back(loaded: Load) -> None:
    """`null` is none; a relation of one's own has an inverse of one's own."""
    found = loaded(
        LINE,
        more="relations: {warms: warmed_by}\n"
        "overrides: {leeds/packaging/line1/filler: {relations: {feeds: null, warms: [capper]}}}",
    )
    capper = _machine(found, "packaging/line1/capper")
    assert ["warmed_by"] == [relation.name for relation in capper.relations]


def test_a_relation_needs_its_other_end(loaded: Load) -> None:
    """A neighbour that is missing on one line, the machine itself, and an odd word are errors."""
    text = LINE.replace("line{n}/capper", "line{n}/caper").replace("measures:", "mesures:")
    found = loaded(text)
    assert ["UNS240", "UNS241"] == _codes(found)
    assert ["did you mean `caper`?", "did you mean `measures`?"] == [
        one.hint for one in found.diagnostics
    ]
    assert ["UNS240"] == _codes(loaded(LINE.replace("feeds: capper", "feeds: filler")))
    assert "UNS241" in _codes(loaded(LINE + "relations: {feeds: eats}"))


def test_a_thing_stands_where_it_stands(loaded: Load) -> None:
    """One number is the thing that stands there; a list is its history, oldest first."""
    found = loaded(
        LINE,
        more="""
overrides:
  leeds/packaging/line1/filler: {asset: 4711}
  leeds/packaging/line1/capper:
    asset: [{id: "C-{line}", from: 2024-03-01}, {id: C-0, to: 2024-02-29}]
""",
    )
    assert (Asset("4711"),) == _machine(found, "packaging/line1/filler").assets
    assert (
        Asset("C-0", None, date(2024, 2, 29)),
        Asset("C-line1", date(2024, 3, 1), None),
    ) == _machine(found, "packaging/line1/capper").assets
    assert () == found.diagnostics


def test_a_thing_is_at_one_place_on_a_day(loaded: Load) -> None:
    """One number for all machines of an entry is a warning; a day that is none an error."""
    found = loaded(LINE.replace("is: filler}", "is: filler, asset: F-1}"))
    assert ["UNS243"] == _codes(found)
    assert "`F-1` is at `acme/leeds/packaging/line1/filler`" in found.diagnostics[0].message
    assert () == found.errors
    wrong = LINE.replace("is: filler}", "is: filler, asset: {id: F, from: 2024-02-30}}")
    assert ["UNS109"] == _codes(loaded(wrong))
    turned = "is: filler, asset: {id: F, from: 2024-02-02, to: 2024-01-01}}"
    assert ["UNS111"] == _codes(loaded(LINE.replace("is: filler}", turned)))
