"""A plan says what happens to each tag, and names everybody who is hit."""

from __future__ import annotations

from uns.plan.difference import Kind
from uns.plan.plan import Harm
from uns.plan.report import advice, as_data, lines, summary

TO_BOTTLING = (
    ('"{site}/packaging/line{n}/filler"', '"{site}/bottling/line{n}/filler"'),
    ("porto/packaging/line", "porto/bottling/line"),
)
SAID = ("    is: filler\n", '    is: filler\n    was: "{site}/packaging/line{n}/filler"\n')
TO_KPA = ("bowl_pressure: {unit: bar", "bowl_pressure: {unit: kPa")
CONSUMERS = """
consumers:
  sap: {reads: [acme/+/packaging/+/filler/good, acme/+/packaging/+/filler/bad], owner: finance, contact: f@acme.example}
  dashboard: {reads: [acme/leeds/#]}
  recipes: {reads: [acme/porto/packaging/line1/filler/recipe]}
  elsewhere: {reads: [acme/york/#]}
"""
ROUTES = """
targets: {erp: {type: file, folder: out}}
templates:
  confirm:
    trigger: {counter: {tags: {good: good}, every: 100}}
    id: "= str(total.good)"
    message: job_response
    map: {JobResponseID: "= id", JobOrderID: "= tag('recipe')", JobState: "= state"}
    deliver: [erp]
routes:
  - {use: confirm, for_each: {class: machine}}
  - {use: confirm, name: packaging-only, for_each: {class: filler, select: acme/+/packaging/#}}
"""

LEEDS = """\
  - path: "leeds/bottling/line{n}/filler"
    each: {n: 1..4}
    is: filler
    bind: krones-s7
    with: {host: "{net}.{n}.20", db: 100}
"""


def _hits(plan) -> dict[tuple[str, str, Harm], int]:
    return {(h.reader.kind, h.reader.name, h.harm): len(h.topics) for h in plan.hits}


def test_nothing_happens_where_nothing_changed(acme, planned) -> None:
    """The plan from a project to itself is empty."""
    plan = planned(acme, acme)
    assert () == plan.actions == plan.hits == plan.schemas
    assert "no changes" == summary(plan)
    assert [] == list(lines(plan))


def test_line_five_is_two_machines_more(acme, planned) -> None:
    """One character more in `each` is one line in the plan, and hurts nobody."""
    plan = planned(acme, acme.but(("1..4", "1..5")))
    assert (20, 20) == (plan.count(Kind.ADD), len(plan.actions))
    assert {} == plan.breaks
    shown = list(lines(plan))
    assert (
        "+ acme/{leeds,porto}/packaging/line5/filler  20 tags  filler/2, 10 tags each" == shown[0]
    )
    assert ["effect: retained messages 184 → 230 (+46)"] == [x for x in shown if "retained" in x]


def test_a_renamed_area_is_one_line_of_moves(acme, planned) -> None:
    """80 tags whose area has another name are 80 moves, proposed, and one line."""
    plan = planned(acme, acme.but(*TO_BOTTLING))
    assert 80 == plan.count(Kind.MOVE) == len(plan.actions)
    assert ["UNS461"] == list(plan.breaks)
    (shown,) = lines(plan)
    assert shown.startswith("> acme/{leeds,porto}/packaging/** → acme/{leeds,porto}/bottling/**")
    assert "say `was:`" in shown


def test_what_was_says_is_a_move_and_no_guess(acme, planned) -> None:
    """A move that the project tells of breaks nothing by itself: calculated tags go along."""
    plan = planned(acme, acme.but(*TO_BOTTLING, SAID))
    assert 80 == plan.count(Kind.MOVE)
    assert all(action.is_declared for action in plan.actions)
    assert {} == plan.breaks


def test_a_tag_that_was_called_otherwise_has_moved(acme, planned) -> None:
    """`was:` at a tag is followed on every machine, though its address is another too."""
    renamed = acme.but(
        ("speed: {unit:", "pace: {was: speed, unit:"), ("speed: DB{db}.DBD4", "pace: DB{db}.DBD40")
    )
    plan = planned(acme, renamed)
    assert 8 == plan.count(Kind.MOVE)
    assert {} == plan.breaks


def test_a_tag_with_a_new_name_at_its_old_address_seems_moved(acme, planned) -> None:
    """Without `was:`, the same address on the same machine is taken for the same tag."""
    renamed = acme.but(("speed: {unit:", "pace: {unit:"), ("speed: DB", "pace: DB"))
    plan = planned(acme, renamed)
    assert 7 == plan.count(Kind.MOVE)  # on the eighth the address has the tag's name in it
    assert (1, 1) == (plan.count(Kind.ADD), plan.count(Kind.DELETE))


def test_moved_tags_show_what_else_changed(acme, planned) -> None:
    """A unit that changes while the area is renamed is said all the same."""
    plan = planned(acme, acme.but(*TO_BOTTLING, SAID, TO_KPA))
    assert {"UNS463": 8} == {code: len(found) for code, found in plan.breaks.items()}
    assert ["! filler.bowl_pressure unit bar → kPa"] == [
        line.partition("  ")[0] for line in lines(plan) if line.startswith("!")
    ]


def test_consumers_that_break_are_named(acme, planned) -> None:
    """Who loses or misreads topics is there with owner and contact, and who does not is not."""
    plan = planned(acme, acme.but(*TO_BOTTLING, SAID, TO_KPA, add=CONSUMERS))
    assert {
        ("consumer", "sap", Harm.LOSES): 16,
        ("consumer", "recipes", Harm.LOSES): 1,
        ("consumer", "dashboard", Harm.MISREADS): 4,
        ("alarm", "bowl_pressure", Harm.MISREADS): 8,
    } == _hits(plan)
    shown = "\n".join(lines(plan))
    assert "consumer sap (finance, f@acme.example) loses 16 topics" in shown
    assert "read acme/+/bottling/+/filler/good instead of acme/+/packaging/+/filler/good" in shown


def test_routes_that_break_are_named(acme, planned) -> None:
    """A route that selects the old area loses what leaves it; one that does not counts anew."""
    leeds = (
        ("site: [leeds, porto]", "site: [porto]"),
        ("overrides:", LEEDS + "overrides:"),
    )
    plan = planned(acme, acme.but(*leeds, add=ROUTES))
    hits = {key: n for key, n in _hits(plan).items() if key[0] == "route"}
    assert {
        ("route", "confirm", Harm.BEGINS_ANEW): 8,
        ("route", "packaging-only", Harm.LOSES): 8,
    } == hits


def test_formulae_that_misread_are_named(acme, planned) -> None:
    """A calculated tag whose input means something else is hit, by its name."""
    cans = acme.but(
        ('good:  {unit: "{bottle}"', 'good:  {unit: "{can}"'),
        ('bad:   {unit: "{bottle}"', 'bad:   {unit: "{can}"'),
    )
    plan = planned(acme, cans)
    assert {("calc", "yield", Harm.MISREADS): 16} == _hits(plan)


def test_a_break_under_the_same_version_wants_a_new_one(acme, planned) -> None:
    """A type that breaks its readers is asked for a new version, and content when it has one."""
    plan = planned(acme, acme.but(TO_KPA))
    assert [("filler", 2, 2, True)] == [
        (s.type_name, s.old_version, s.new_version, s.wants_version) for s in plan.schemas
    ]
    assert any("types.filler.version: 3" in text for text in advice(plan))
    raised = planned(acme, acme.but(TO_KPA, ("version: 2", "version: 3")))
    assert [False] == [step.wants_version for step in raised.schemas]


def test_limits_that_were_written_for_another_unit_are_named(acme, planned) -> None:
    """Range and alarm do not follow a unit by themselves, so a plan says that they stayed."""
    said = "\n".join(advice(planned(acme, acme.but(TO_KPA))))
    assert "its range and alarm were written in bar and are read in kPa now" in said
    assert "[0, 6] bar is [0, 600] kPa" in said
    other = "\n".join(advice(planned(acme, acme.but((TO_KPA[0], "bowl_pressure: {unit: mm")))))
    assert "are read in mm now\n" in other + "\n"


def test_more_states_hurt_nobody_and_other_names_do(acme, planned) -> None:
    """A state may be added, but not called otherwise."""
    own = acme.but(("state: {states: packml}", "state: {states: {0: off, 1: on}}"))
    more = acme.but(("state: {states: packml}", "state: {states: {0: off, 1: on, 2: idle}}"))
    assert {} == planned(own, more).breaks
    assert ["UNS464"] == list(planned(more, own).breaks)


def test_a_removed_machine_is_one_line(acme, planned) -> None:
    """What goes with a machine is not listed tag by tag, and does not blame the type."""
    plan = planned(acme.but(("1..4", "1..5")), acme)
    assert ["UNS460"] == list(plan.breaks)
    assert () == plan.schemas
    assert 1 == sum(line.startswith("-") for line in lines(plan))


def test_the_json_has_every_topic(acme, planned) -> None:
    """Programs get what people see in groups, one by one."""
    data = as_data(planned(acme, acme.but(*TO_BOTTLING, TO_KPA, add=CONSUMERS)))
    assert {"move": 80} == dict.fromkeys({action["action"] for action in data["actions"]}, 80)
    assert 80 == data["summary"]["breaking"]
    good = next(a for a in data["actions"] if a["topic"] == "acme/leeds/bottling/line1/filler/good")
    assert "acme/leeds/packaging/line1/filler/good" == good["from"]
    assert ["dashboard", "recipes", "sap", "bowl_pressure"] == [r["name"] for r in data["readers"]]
