"""Stamping: one template serves every machine of a class, and every mistake has its place."""

from __future__ import annotations

from typing import Any

import pytest

from uns.errors import ProjectError
from uns.route.problems import problems
from uns.route.stamp import stamp
from uns.route.words import RouteWords

COUNTER = {"tags": {"good": "good", "bad": "bad"}, "order": "order/id"}
SINCE = {"good": "order/start_good", "bad": "order/start_bad"}


def route(**words: Any) -> list[RouteWords]:
    """One use of `confirm`."""
    return [RouteWords.model_validate({"use": "confirm", "for_each": {"class": "filler"}, **words})]


def found(words: Any, machines: Any, routes: Any = None, **changes: Any) -> list[tuple[Any, ...]]:
    """(path, message, hint) of every problem."""
    templates, plain = words(**changes)
    return [
        (".".join(str(step) for step in p.path), p.message, p.hint)
        for p in problems(
            templates,
            routes or plain,
            machines,
            targets=["erp", "archive"],
            schemas=["job_response"],
        )
    ]


def test_the_demo_projects_route_has_no_mistake(words: Any, filler: Any) -> None:
    """What we ship is right."""
    assert [] == found(words, [filler()])


def test_a_route_is_stamped_on_every_machine_of_a_class_or_its_descendants(
    words: Any, filler: Any, schemas: Any
) -> None:
    """`class: machine` finds fillers, because a filler is a machine."""
    machines = [filler(f"acme/{site}/packaging/line1/filler") for site in ("leeds", "porto")]
    made = stamp(*words(), machines, schemas)
    assert [
        "confirm@acme/leeds/packaging/line1/filler",
        "confirm@acme/porto/packaging/line1/filler",
    ] == [r.key for r in made]


def test_select_narrows_the_machines(words: Any, filler: Any, schemas: Any) -> None:
    """A topic filter leaves the others alone."""
    machines = [filler(f"acme/{site}/packaging/line1/filler") for site in ("leeds", "porto")]
    narrow = route(for_each={"class": "filler", "select": "acme/porto/#"})
    made = stamp(words()[0], narrow, machines, schemas)
    assert ["acme/porto/packaging/line1/filler"] == [r.machine.topic.text for r in made]


def test_parameters_keep_their_type_and_can_be_changed(
    words: Any, filler: Any, schemas: Any
) -> None:
    """`every: "{every}"` is a number again, and `with` wins over the default."""
    (made,) = stamp(words()[0], route(**{"with": {"every": 250}}), [filler()], schemas)
    assert (250.0, 10_000) == (made.plan.settings.every, made.plan.settings.at_most_ms)


def test_a_selection_without_fitting_machines_has_no_routes(words: Any, schemas: Any) -> None:
    """`uns run --select` may leave a route nothing to do; that is no mistake."""
    assert [] == stamp(*words(), [], schemas)


def test_units_and_places_can_be_named(words: Any, filler: Any, schemas: Any, bench: Any) -> None:
    """`unit.good`, `site`, `line`, `name` and parameters are names of an expression."""
    b = bench(
        params={"every": 1, "at_most": "1s", "plant": "P7"},
        map={
            "JobResponseID": "= plant + site + name",
            "JobOrderID": "= line",
            "JobState": "{plant}",
            "MaterialActuals": [
                {
                    "MaterialUse": "= unit.good",
                    "Quantity": "= total.good",
                    "MaterialLotID": "= null",
                }
            ],
        },
    )
    b.put(sg=0, sb=0, order="A", good=1, bad=0)
    b.wait(3)
    (emission,) = [e for e in b.emissions if e.message]
    assert {
        "JobResponseID": "P7leedsfiller",
        "JobOrderID": "acme/leeds/packaging/line1",
        "JobState": "P7",
        "MaterialActuals": [{"MaterialUse": "{bottle}", "Quantity": 1}],
    } == emission.message["data"]
    assert "it is no job_response/1: JobState" in emission.problem


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"deliver": ["erp", "archiv"]},
            (
                "templates.confirm.deliver.1",
                "there is no target `archiv`",
                "did you mean `archive`?",
            ),
        ),
        (
            {"message": "job_respons"},
            (
                "templates.confirm.message",
                "there is no schema `job_respons`",
                "did you mean `job_response`?",
            ),
        ),
        (
            {"when": "= total.god > 0"},
            (
                "templates.confirm.when",
                "`total.god` is not known here",
                "did you mean `total.good`?",
            ),
        ),
        (
            {"map": {"a": [{"b": "= recipe"}]}},
            (
                "templates.confirm.map.a.0.b",
                "`recipe` is not known here",
                "a tag of the machine is written tag('name')",
            ),
        ),
        (
            {"map": {"a": "= tag('recipee')"}},
            (
                "templates.confirm.map.a",
                "acme/leeds/packaging/line1/filler has no tag `recipee`",
                "did you mean `recipe`?",
            ),
        ),
        (
            {"map": {"a": "{evry}"}},
            (
                "templates.confirm.map.a",
                "`{evry}` is no parameter of this template",
                "did you mean `every`?",
            ),
        ),
        (
            {"id": "= open('x')"},
            (
                "templates.confirm.id",
                "there is no function `open`",
                None,
            ),
        ),
        (
            {"trigger": {"counter": {**COUNTER, "since": {"good": "order/start_good"}}}},
            (
                "templates.confirm.trigger.counter.since",
                "totals per order need `order`, and `since` with a start for each counter in `tags`",
                None,
            ),
        ),
        (
            {"trigger": {"counter": {**COUNTER, "since": SINCE, "every": "many"}}},
            (
                "templates.confirm.trigger.counter.every",
                "`many` is no number above 0",
                "for example `every: 100`",
            ),
        ),
        (
            {"trigger": {"counter": {**COUNTER, "since": SINCE, "at_most": 10}}},
            (
                "templates.confirm.trigger.counter.at_most",
                "`10` is no duration",
                "for example `10s` or `5m`",
            ),
        ),
        (
            {"trigger": {"counter": {**COUNTER, "since": {**SINCE, "bad": "speed"}}}},
            (
                "templates.confirm.trigger.counter.since.bad",
                "`speed` of acme/leeds/packaging/line1/filler is a Float; a counter counts whole pieces",
                None,
            ),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_mistake_in_a_template_has_its_place_and_a_hint(
    words: Any, filler: Any, changes: Any, expected: tuple[str, str, str | None]
) -> None:
    """Whatever is named and is not there is found before anything runs."""
    first = found(words, [filler()], **changes)[0]
    assert expected[:2] == first[:2]
    assert expected[2] in (None, first[2])


@pytest.mark.parametrize(
    ("words_of_route", "path", "message"),
    [
        ({"use": "confrim"}, "routes.0.use", "there is no template `confrim`"),
        ({"with": {"evry": 1}}, "routes.0.with.evry", "`confirm` has no parameter `evry`"),
        ({"for_each": {"class": "fillr"}}, "routes.0.for_each.class", "no machine is a `fillr`"),
        (
            {"for_each": {"class": "filler", "select": "acme/#/x"}},
            "routes.0.for_each.select",
            "`acme/#/x`: `#` must stand alone and last",
        ),
        (
            {"for_each": {"class": "filler", "select": "acme/rome/#"}},
            "routes.0.for_each.select",
            "no `filler` has a topic that matches `acme/rome/#`",
        ),
    ],
)
def test_a_mistake_in_a_route_has_its_place(
    words: Any, filler: Any, words_of_route: Any, path: str, message: str
) -> None:
    """So does one in its use."""
    assert (path, message) == found(words, [filler()], route(**words_of_route))[0][:2]


def test_the_same_name_twice_on_a_machine_is_a_mistake(words: Any, filler: Any) -> None:
    """Two uses of one template need a `name`: what is kept and sent goes by it."""
    twice = [*route(), *route()]
    assert ["routes.1"] == [path for path, _, _ in found(words, [filler()], twice)]
    assert [] == found(words, [filler()], [*route(), *route(name="again")])


def test_stamping_refuses_a_mistake(words: Any, filler: Any, schemas: Any) -> None:
    """Who stamps without checking is told the first mistake."""
    with pytest.raises(ProjectError, match=r"templates\.confirm\.when: `oops` is not known"):
        stamp(*words(when="= oops"), [filler()], schemas)


def test_an_expression_that_fails_stops_its_route_and_says_why(bench: Any) -> None:
    """Nothing is skipped: the message is made once the expression can be worked out."""
    b = bench(id="= order + total.good")
    b.put(sg=0, sb=0, order="A", good=500, bad=0)
    b.wait(3)
    assert [] == b.sent()
    assert "cannot be worked out" in b.route.problem
