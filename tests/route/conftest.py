"""A filler, its project words, and a driver for routes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType, Quality
from uns.route.message_schema import MessageSchema
from uns.route.route import Emission, Route
from uns.route.stamp import stamp
from uns.route.words import RouteWords, TemplateWords
from uns.topic import Topic

ROOT = Path(__file__).parent.parent.parent
TAGS = {
    "good": DataType.UINT32,
    "bad": DataType.UINT32,
    "order/id": DataType.STRING,
    "order/start_good": DataType.UINT32,
    "order/start_bad": DataType.UINT32,
    "recipe": DataType.STRING,
    "speed": DataType.FLOAT,
}


@pytest.fixture
def filler() -> Any:
    """Make fillers: `filler("acme/leeds/packaging/line1/filler")`."""

    def make(path: str = "acme/leeds/packaging/line1/filler", **rollovers: int) -> Machine:
        topic = Topic(path)
        tags = tuple(
            Tag(
                name,
                topic.child(*name.split("/")),
                datatype,
                unit="{bottle}" if datatype is DataType.UINT32 else "",
                is_counter=name in ("good", "bad"),
                rollover=rollovers.get(name),
            )
            for name, datatype in TAGS.items()
        )
        levels = topic.levels
        place = SparkplugId(f"{levels[0]}:{levels[1]}", f"{levels[2]}:{levels[3]}", levels[-1])
        return Machine(topic, "filler", 1, ("filler", "machine"), tags, place)

    return make


@pytest.fixture
def words() -> Any:
    """Templates and routes of the demo project, with changes to its `confirm`."""

    def make(**changes: Any) -> tuple[dict[str, TemplateWords], list[RouteWords]]:
        text = yaml.safe_load((ROOT / "config/aurora/routes.yaml").read_text())
        template = {**text["templates"]["confirm"], **changes}
        route = {"use": "confirm", "for_each": {"class": "machine"}}
        return {"confirm": TemplateWords(**template)}, [RouteWords(**route)]

    return make


@pytest.fixture
def schemas() -> dict[str, MessageSchema]:
    """The message schemas that are shipped."""
    document = json.loads((ROOT / "schemas/job_response/1.json").read_text())
    return {"job_response": MessageSchema.compile("job_response", 1, document)}


class Bench:
    """A route with a clock: `put` values, `wait`, and read what was emitted."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.now = 1_000_000
        self.emissions: list[Emission] = []
        self.quality = Quality.GOOD

    def put(self, *, at: int | None = None, is_retained: bool = False, **values: Any) -> None:
        """Give values by short names; `at` is the source time, now where absent."""
        for short, value in values.items():
            tag = {"order": "order/id", "sg": "order/start_good", "sb": "order/start_bad"}.get(
                short, short
            )
            self.emissions += self.route.observed(
                tag,
                value,
                self.quality,
                self.now if at is None else at,
                self.now,
                is_retained=is_retained,
            )

    def wait(self, seconds: float) -> None:
        """Let time pass, ticking every half second."""
        for _ in range(int(seconds * 2)):
            self.now += 500
            self.emissions += self.route.tick(self.now)

    def sent(self) -> list[tuple[str, str, int, int]]:
        """(order, state, good, bad) of every message so far; forgets them."""
        found = [
            (
                emission.message["data"]["JobOrderID"],
                emission.message["data"]["JobState"],
                *(actual["Quantity"] for actual in emission.message["data"]["MaterialActuals"]),
            )
            for emission in self.emissions
            if emission.message
        ]
        self.emissions = []
        return found


@pytest.fixture
def bench(filler: Any, words: Any, schemas: Any) -> Any:
    """Make benches; keywords change the template, `machine` the machine."""

    def make(machine: Machine | None = None, **changes: Any) -> Bench:
        (route,) = stamp(*words(**changes), [machine or filler()], schemas)
        return Bench(route)

    return make
