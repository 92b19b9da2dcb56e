"""Whatever is lost, repeated or killed on the way, the ERP ends up with what was made."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import yaml
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType, Quality
from uns.route.message_schema import MessageSchema
from uns.route.route import Emission, Route
from uns.route.stamp import stamp
from uns.route.words import RouteWords, TemplateWords
from uns.store.outbox import Attempt, DeliveryState, Entry, NewDelivery, Outbox
from uns.topic import Topic

ROOT = Path(__file__).parent.parent.parent
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of fsyncs
FILLER = Topic("acme/leeds/packaging/line1/filler")
TAGS = ("good", "bad", "order/start_good", "order/start_bad", "order/id")


def _route() -> Route:
    tags = tuple(
        Tag(
            name,
            FILLER.child(*name.split("/")),
            DataType.STRING if name == "order/id" else DataType.UINT32,
        )
        for name in TAGS
    )
    place = SparkplugId("acme:leeds", "packaging:line1", "filler")
    machine = Machine(FILLER, "filler", 1, ("filler", "machine"), tags, place)
    text = yaml.safe_load((ROOT / "config/aurora/routes.yaml").read_text())
    document = json.loads((ROOT / "schemas/job_response/1.json").read_text())
    (route,) = stamp(
        {"confirm": TemplateWords(**text["templates"]["confirm"])},
        [RouteWords.model_validate({"use": "confirm", "for_each": {"class": "filler"}})],
        [machine],
        {"job_response": MessageSchema.compile("job_response", 1, document)},
    )
    return route


@dataclass
class Erp:
    """Applies each key once; keeps the totals it was told last, and the sum of the steps."""

    keys: set[str] = field(default_factory=set)
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)
    steps: dict[str, list[int]] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)

    def post(self, key: str, body: str) -> None:
        if key in self.keys:
            return
        self.keys.add(key)
        data = json.loads(body)["data"]
        order = data["JobOrderID"]
        good, bad = (actual["Quantity"] for actual in data["MaterialActuals"])
        self.totals[order] = (good, bad)
        steps = self.steps.setdefault(order, [0, 0])
        for place, part in enumerate(data["JobResponseData"]):
            steps[place] += part["Value"]
        if data["JobState"] == "Completed":
            self.completed.append(order)


def _not_nothing(totals: Any) -> dict[str, tuple[int, ...]]:
    return {order: tuple(pair) for order, pair in totals.items() if any(pair)}


class Line(RuleBasedStateMachine):
    """A filler, a broker that keeps the newest value, a route, an outbox, and an ERP.

    A broker hands over what one client publishes in the order of its publishing; on a new
    subscription it shows what it kept in any order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FAST))
        self.path = self.folder / "outbox.db"
        self.outbox = Outbox(self.path)
        self.erp = Erp()
        self.route = _route()
        self.now = 1_000_000
        self.number = 1
        self.truth: dict[str, tuple[int, int]] = {}
        self.plc: dict[str, Any] = {
            **dict.fromkeys(("good", "order/start_good"), 500),
            **dict.fromkeys(("bad", "order/start_bad"), 20),
            "order/id": "PO-1",
        }
        self.retained: dict[str, tuple[Any, int]] = {}
        self.queued: list[tuple[str, tuple[Any, int]]] | None = None  # while we are away
        self.arrived: dict[str, tuple[Any, int]] = {}
        self.undelivered: dict[str, None] = {}  # oldest first; a newer value of a tag goes last
        for tag in TAGS:
            self._publish(tag)
        self._show_kept(TAGS)
        self._wait(6)

    def _publish(self, tag: str) -> None:
        self.retained[tag] = (self.plc[tag], self.now)
        if self.queued is not None:
            self.queued.append((tag, self.retained[tag]))
        self.undelivered.pop(tag, None)
        self.undelivered[tag] = None

    def _hand_over(self, many: int) -> None:
        for tag in list(self.undelivered)[:many]:
            self._give(tag, self.retained[tag])
            del self.undelivered[tag]

    def _show_kept(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self._give(tag, self.retained[tag], is_retained=True)
        self.undelivered.clear()

    def _give(self, tag: str, found: tuple[Any, int], *, is_retained: bool = False) -> None:
        value, at = self.arrived[tag] = found
        self._keep(
            self.route.observed(tag, value, Quality.GOOD, at, self.now, is_retained=is_retained)
        )

    def _wait(self, half_seconds: int) -> None:
        for _ in range(half_seconds):
            self.now += 500
            self._keep(self.route.tick(self.now))

    def _keep(self, emissions: list[Emission]) -> None:
        self.outbox.commit(
            Entry(
                e.route,
                e.state,
                [NewDelivery("erp", e.id, e.key, e.time_ms, e.body)] if e.message else [],
            )
            for e in emissions
        )

    def _restart(self, tags: Sequence[str] = TAGS) -> None:
        """A new process, to which the broker shows what it kept."""
        self._new_process()
        self._show_kept(tags)

    def _new_process(self) -> None:
        """What the old one had in memory is gone."""
        self.outbox.close()
        self.outbox = Outbox(self.path)
        self.route = _route()
        assert not self.route.restore(self.outbox.state(self.route.key))

    @rule(good=st.integers(0, 150), bad=st.integers(0, 3))
    def count(self, good: int, bad: int) -> None:
        """The machine makes bottles; the broker keeps the newest counts."""
        self.now += 1
        self.plc["good"] += good
        self.plc["bad"] += bad
        self._publish("good")
        self._publish("bad")

    @rule(many=st.integers(1, 5))
    def hand_over(self, many: int) -> None:
        """Values arrive; those that they replaced never do."""
        self._hand_over(many)

    @rule(tag=st.sampled_from(TAGS), times=st.integers(1, 3))
    def repeat(self, tag: str, times: int) -> None:
        """A value that arrived arrives again."""
        for _ in range(times):
            self._give(tag, self.arrived[tag])

    @rule(half_seconds=st.integers(1, 30))
    def wait(self, half_seconds: int) -> None:
        """Time passes."""
        self._wait(half_seconds)

    @precondition(lambda self: not self.undelivered)
    @rule()
    def begin_order(self) -> None:
        """The PLC latches both counters, then writes the id; we have seen the order before."""
        self._wait(6)
        self._begin_order()

    @precondition(lambda self: not self.undelivered)
    @rule(
        made=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 3)), min_size=1, max_size=4),
        is_new_process=st.booleans(),
        first=st.integers(0, 12),
    )
    def be_away(self, made: list[tuple[int, int]], is_new_process: bool, first: int) -> None:
        """Whole orders pass; the broker queued every value and hands them over at once.

        Perhaps to a new process; perhaps that dies too, after it had taken the first few.
        """
        self._wait(6)
        self.queued = []
        for good, bad in made:
            self.now += 3_000
            self.count(good, bad)
            self.now += 3_000
            self._begin_order()
        queue, self.queued = self.queued, None
        if is_new_process:
            self._new_process()
        for place, (tag, found) in enumerate(queue):
            if is_new_process and place == first:
                self._new_process()
            self._give(tag, found)
        self._show_kept(TAGS)
        self._wait(6)

    def _begin_order(self) -> None:
        old = self.plc["order/id"]
        self.truth[old] = self._made()
        self.now += 1
        for name in ("good", "bad"):
            self.plc[f"order/start_{name}"] = self.plc[name]
            self._publish(f"order/start_{name}")
        self.number += 1
        self.plc["order/id"] = f"PO-{self.number}"
        self._publish("order/id")

    @rule(tags=st.permutations(TAGS))
    def reconnect(self, tags: list[str]) -> None:
        """The broker shows every value again."""
        self._show_kept(tags)

    @rule(tags=st.permutations(TAGS))
    def crash_before_commit(self, tags: list[str]) -> None:
        """Killed after a value was seen and before anything was stored."""
        for tag in list(self.undelivered)[:1]:
            value, at = self.retained[tag]
            self.route.observed(tag, value, Quality.GOOD, at, self.now)
        self._restart(tags)

    @rule(tags=st.permutations(TAGS))
    def crash_after_commit(self, tags: list[str]) -> None:
        """Killed after storing, before the broker was told so: it repeats."""
        self._hand_over(len(TAGS))
        self._restart(tags)

    @rule(fate=st.sampled_from(["delivered", "lost", "answer lost", "crash", "crash after"]))
    def send(self, fate: str) -> None:
        """A sender takes the next message of each lane, and something happens to it."""
        for delivery in self.outbox.claim("erp", self.now, limit=3):
            if fate not in ("lost", "crash"):
                self.erp.post(delivery.id, delivery.body)
            if fate.startswith("crash"):
                self._restart()
                return
            ending = {
                "delivered": DeliveryState.DONE,
                "lost": DeliveryState.READY,
                "answer lost": DeliveryState.UNKNOWN,
            }[fate]
            self.outbox.finish([Attempt(delivery, ending, fate, self.now)], self.now)

    @invariant()
    def never_more_than_was_made(self) -> None:
        """A closed order's totals are right from its closing on."""
        for order in self.erp.completed:
            assert self.truth[order] == self.erp.totals[order]

    def _made(self) -> tuple[int, int]:
        return tuple(  # type: ignore[return-value]
            self.plc[name] - self.plc[f"order/start_{name}"] for name in ("good", "bad")
        )

    def teardown(self) -> None:
        """When everything has arrived, the ERP knows exactly what was made."""
        try:
            self._come_to_rest()
        finally:
            self.outbox.close()
            shutil.rmtree(self.folder)

    def _come_to_rest(self) -> None:
        self._hand_over(len(TAGS))
        self._wait(40)
        while claimed := self.outbox.claim("erp", self.now + 10_000):
            for delivery in claimed:
                self.erp.post(delivery.id, delivery.body)
            self.outbox.finish([Attempt(d, DeliveryState.DONE) for d in claimed], self.now)
        self.truth[self.plc["order/id"]] = self._made()
        assert _not_nothing(self.truth) == _not_nothing(self.erp.totals)
        assert _not_nothing(self.truth) == _not_nothing(self.erp.steps)
        running = self.plc["order/id"]
        assert set(_not_nothing(self.truth)) - {running} <= set(self.erp.completed)


TestLine = Line.TestCase
TestLine.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
