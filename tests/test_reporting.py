"""Report by exception: what passes, what is held back, and what goes stale."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from uns.coercion import MAX_TEXT, coercion
from uns.equipment import Tag
from uns.metric import DataType, Quality
from uns.reporting import HEARTBEAT_MS, Reporter
from uns.topic import Topic

GOOD, BAD, STALE, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.STALE, Quality.UNCERTAIN
T0 = 1_790_000_000_000
HANDLES = (1, 2, 3)
DEADBANDS = {1: 0.0, 2: 0.5, 3: 2.0}


def _tag(**words):
    return Tag("speed", Topic("acme/leeds/packaging/line1/filler/speed"), **words)


def _reporter(**words):
    return Reporter({1: _tag(**words)})


def _shown(reporter, value, now_ms=T0, *, quality=GOOD, at=T0):
    """(value, quality) of what is let through, or None."""
    readings = reporter.observed([(1, value, quality, at)], now_ms)
    assert all(handle == 1 for handle, *_ in readings)
    return readings[0][1:3] if readings else None


@pytest.mark.parametrize(
    ("datatype", "raw", "expected"),
    [
        (DataType.FLOAT, 1.5, 1.5),
        (DataType.FLOAT, 3, 3.0),
        (DataType.FLOAT, True, 1.0),
        (DataType.FLOAT, " 2.5 ", 2.5),
        (DataType.FLOAT, "fast", None),
        (DataType.FLOAT, math.nan, None),
        (DataType.FLOAT, -math.inf, None),
        (DataType.FLOAT, 1e39, None),
        (DataType.DOUBLE, 1e39, 1e39),
        (DataType.DOUBLE, 10**400, None),
        (DataType.FLOAT, b"1", None),
        (DataType.INT16, 32_767, 32_767),
        (DataType.INT16, 32_768, None),
        (DataType.UINT8, -1, None),
        (DataType.INT32, 41.5, 42),
        (DataType.INT32, 2.4, 2),
        (DataType.INT32, math.inf, None),
        (DataType.INT32, math.nan, None),
        (DataType.INT32, "17", 17),
        (DataType.INT32, True, 1),
        (DataType.UINT64, 2**64 - 1, 2**64 - 1),
        (DataType.UINT64, str(2**64 - 1), 2**64 - 1),
        (DataType.BOOLEAN, True, True),
        (DataType.BOOLEAN, 4, True),
        (DataType.BOOLEAN, 0.0, False),
        (DataType.BOOLEAN, "Off", False),
        (DataType.BOOLEAN, "perhaps", None),
        (DataType.BOOLEAN, math.nan, None),
        (DataType.STRING, "Grün", "Grün"),
        (DataType.STRING, b"Gr\xc3\xbcn", "Grün"),
        (DataType.STRING, b"\xff", None),
        (DataType.STRING, "\ud800", None),
        (DataType.STRING, 7, "7"),
        (DataType.STRING, False, "false"),
        (DataType.STRING, "x" * MAX_TEXT, "x" * MAX_TEXT),
        (DataType.STRING, "x" * (MAX_TEXT + 1), None),
        (DataType.STRING, "ü" * (MAX_TEXT // 2 + 1), None),
        (DataType.DATETIME, T0, T0),
        (DataType.DATETIME, -1, None),
        (DataType.BYTES, b"\0\1", b"\0\1"),
        (DataType.BYTES, 1, None),
        (DataType.INT32_ARRAY, [1, 2], [1, 2]),
    ],
)
def test_a_value_becomes_the_tags_type_or_bad(datatype, raw, expected):
    """What fits the tag's datatype passes as that type; everything else is Bad, without value."""
    shown = _shown(_reporter(datatype=datatype), raw)
    assert ((expected, BAD) if expected is None else (expected, GOOD)) == shown
    assert type(expected) is type(shown[0])


def test_scaling_maps_the_raw_range_to_the_tags_range():
    """4…20 mA as 0…6 bar, on integers as on reals; a range without extent says nothing."""
    reporter = _reporter(scale=(4000.0, 20_000.0, 0.0, 6.0), datatype=DataType.DOUBLE)
    assert (3.0, GOOD) == _shown(reporter, 12_000)
    assert (6.0, GOOD) == _shown(reporter, 20_000.0)
    assert (None, BAD) == _shown(reporter, math.nan)
    whole = _reporter(scale=(0.0, 10.0, 0.0, 1000.0), datatype=DataType.INT16)
    assert (255, GOOD) == _shown(whole, 2.549)
    assert (None, BAD) == _shown(whole, 1e6)
    assert (None, BAD) == _shown(_reporter(scale=(5.0, 5.0, 0.0, 1.0)), 5.0)


def test_an_equal_value_is_held_back_until_the_heartbeat():
    """Nothing new is not published, but unchanged is not dead: within 60 s it is said again."""
    reporter = _reporter()
    assert (1.0, GOOD) == _shown(reporter, 1.0)
    assert _shown(reporter, 1.0, T0 + HEARTBEAT_MS // 2) is None
    assert (1.0, GOOD) == _shown(reporter, 1.0, T0 + HEARTBEAT_MS)
    assert _shown(reporter, 1.0, T0 + HEARTBEAT_MS + 1) is None


def test_heartbeats_of_many_tags_are_spread():
    """Tags that began together do not all beat in the same second."""
    reporter = Reporter({handle: _tag() for handle in range(5000)})
    reporter.observed([(handle, 1.0, GOOD, T0) for handle in range(5000)], T0)
    beats = [
        len(reporter.observed([(handle, 1.0, GOOD, T0) for handle in range(5000)], T0 + 1000 * s))
        for s in range(1, 61)
    ]
    assert 5000 == sum(beats)
    assert max(beats) < 1000


def test_a_tag_with_stale_beats_twice_as_often_as_it_may_be_silent():
    """Whoever watches for silence downstream hears of a healthy tag in time."""
    reporter = _reporter(stale_s=10.0)
    _shown(reporter, 1.0)
    assert (1.0, GOOD) == _shown(reporter, 1.0, T0 + 5000)


def test_the_deadband_holds_small_changes_back():
    """A change up to the deadband is held back, measured from what was published last."""
    reporter = _reporter(deadband=0.5)
    assert (10.0, GOOD) == _shown(reporter, 10.0)
    assert _shown(reporter, 10.5) is None
    assert _shown(reporter, 9.5) is None
    assert (10.6, GOOD) == _shown(reporter, 10.6)
    assert _shown(reporter, 10.2) is None


def test_creeping_does_not_hide_behind_the_deadband():
    """Many small steps are published as soon as their sum exceeds the deadband."""
    reporter = _reporter(deadband=1.0)
    shown = [_shown(reporter, step * 0.4) for step in range(10)]
    assert [0.0, 3 * 0.4, 6 * 0.4, 9 * 0.4] == [value for value, _ in filter(None, shown)]


def test_a_tag_that_delivers_every_value_knows_no_deadband():
    """Counters and states are never conflated: only exact repeats are held back."""
    reporter = _reporter(datatype=DataType.INT32, deadband=5.0, deliver_every=True)
    assert [(1, GOOD), (2, GOOD), None, (1, GOOD)] == [_shown(reporter, v) for v in (1, 2, 2, 1)]


def test_a_change_of_quality_always_passes():
    """Bad and Uncertain are news even with the same value, and so is Good again."""
    reporter = _reporter(deadband=100.0)
    assert (1.0, GOOD) == _shown(reporter, 1.0)
    assert (1.0, UNCERTAIN) == _shown(reporter, 1.0, quality=UNCERTAIN)
    assert (None, BAD) == _shown(reporter, None, quality=BAD)
    assert _shown(reporter, None, quality=BAD) is None
    assert (1.5, GOOD) == _shown(reporter, 1.5)


def test_a_value_that_is_missing_is_bad():
    """A driver that says Good without a value is not believed; one that says Bad keeps its value."""
    assert (None, BAD) == _shown(_reporter(), None)
    assert (7.0, BAD) == _shown(_reporter(), 7.0, quality=BAD)


def test_lost_marks_stale_once_with_the_last_value_and_the_time_of_loss():
    """A loss is one Stale reading for each tag that had a value, and then silence."""
    reporter = Reporter({1: _tag(), 2: _tag(), 3: _tag()})
    reporter.observed([(1, 1.0, GOOD, T0), (2, None, BAD, T0)], T0)
    assert [(1, 1.0, STALE, T0 + 3000)] == reporter.lost([1, 2, 3, 99], T0 + 3000)
    assert [] == reporter.lost([1, 2, 3], T0 + 4000)
    assert [] == reporter.tick(T0 + 10_000_000)


def test_the_first_reading_after_a_reconnect_passes():
    """After a restart each tag is said again, though nothing changed; then it is quiet."""
    reporter = _reporter(deadband=10.0)
    _shown(reporter, 1.0)
    reporter.restart([1, 99])
    assert (1.0, GOOD) == _shown(reporter, 1.0)
    assert _shown(reporter, 1.0) is None
    reporter.lost([1], T0)
    assert (1.0, GOOD) == _shown(reporter, 1.0)


def test_a_restart_without_a_reading_makes_nothing_look_good():
    """Lost, reconnected and lost again without a value between: still the first mark."""
    reporter = _reporter()
    _shown(reporter, 1.0)
    assert 1 == len(reporter.lost([1], T0))
    reporter.restart([1])
    assert [] == reporter.lost([1], T0 + 1)


def test_silence_beyond_stale_is_marked_once():
    """A tag that may be silent for 2 s is Stale after more, and Good when it speaks again."""
    reporter = _reporter(stale_s=2.0)
    _shown(reporter, 1.0)
    assert [] == reporter.tick(T0 + 2000)
    assert [(1, 1.0, STALE, T0 + 2001)] == reporter.tick(T0 + 2001)
    assert [] == reporter.tick(T0 + 9000)
    assert (1.0, GOOD) == _shown(reporter, 1.0, T0 + 9001)


def test_an_unchanged_reading_and_a_keepalive_are_signs_of_life():
    """What is held back still counts as heard, and so does a source that vouches for it."""
    reporter = _reporter(stale_s=20.0, deadband=1.0)
    _shown(reporter, 1.0)
    assert _shown(reporter, 1.0, T0 + 1500) is None
    assert [] == reporter.tick(T0 + 21_000)
    reporter.alive([1, 99], T0 + 21_000)
    assert [GOOD] == [quality for _, _, quality, _ in reporter.tick(T0 + 41_000)]
    assert [STALE] == [quality for _, _, quality, _ in reporter.tick(T0 + 41_001)]


def test_a_value_that_is_vouched_for_is_repeated_at_the_heartbeat():
    """A source that reports by itself is silent while nothing changes: its own time is kept."""
    reporter = _reporter(heartbeat_s=10.0)
    _shown(reporter, 1.0, at=T0 - 7)
    reporter.alive([1], T0 + 9_500)
    assert [] == reporter.tick(T0 + 9_500)
    reporter.alive([1], T0 + 10_000)
    assert [(1, 1.0, GOOD, T0 - 7)] == reporter.tick(T0 + 10_400)
    reporter.alive([1], T0 + 11_000)
    assert [] == reporter.tick(T0 + 11_000)
    assert [] == reporter.tick(T0 + 90_000)  # nobody vouched


def test_nothing_is_repeated_that_was_never_said_or_is_lost():
    """A keep-alive makes up no value, and one that came before the loss says nothing after it."""
    reporter = Reporter({1: _tag(heartbeat_s=1.0), 2: _tag()})
    reporter.observed([(1, 1.0, GOOD, T0)], T0)
    reporter.alive([1, 2], T0 + 2_000)
    assert [(1, 1.0, STALE, T0 + 2_001)] == reporter.lost([1, 2], T0 + 2_001)
    assert [] == reporter.tick(T0 + 3_000)


def test_what_a_resumed_session_does_not_say_anew_is_as_it_was():
    """Lost and resumed: the first keep-alive makes Good again what has not changed meanwhile."""
    reporter = Reporter({1: _tag(), 2: _tag()})
    reporter.observed([(1, 1.0, GOOD, T0), (2, 5.0, UNCERTAIN, T0)], T0)
    reporter.lost([1, 2], T0 + 3_000)
    assert [] == reporter.tick(T0 + 4_000)
    reporter.alive([1, 2], T0 + 9_000)
    assert [(1, 1.0, GOOD, T0), (2, 5.0, UNCERTAIN, T0)] == reporter.tick(T0 + 9_500)


def test_a_new_session_has_to_say_it_all():
    """After a restart no keep-alive makes an old value look live; only its reading does."""
    reporter = _reporter()
    _shown(reporter, 1.0)
    reporter.lost([1], T0 + 3_000)
    reporter.restart([1])
    reporter.alive([1], T0 + 9_000)
    assert [] == reporter.tick(T0 + 9_500)
    assert (1.0, GOOD) == _shown(reporter, 1.0, T0 + 9_600)


def test_a_heartbeat_of_its_own_is_kept():
    """Ten seconds instead of a minute; more than a minute too."""
    quick, slow = _reporter(heartbeat_s=10.0), _reporter(heartbeat_s=600.0)
    for reporter in (quick, slow):
        _shown(reporter, 1.0)
    assert (1.0, GOOD) == _shown(quick, 1.0, T0 + 10_000)
    assert _shown(slow, 1.0, T0 + 400_000) is None


def test_with_a_time_the_newest_value_follows():
    """One publish in five seconds: what comes sooner waits, and only the newest of it is said."""
    reporter = _reporter(deadband_s=5.0)
    assert (1.0, GOOD) == _shown(reporter, 1.0)
    assert _shown(reporter, 2.0, T0 + 1_000, at=T0 + 1_000) is None
    assert _shown(reporter, 3.0, T0 + 2_000, at=T0 + 2_000) is None
    assert [] == reporter.tick(T0 + 4_999)
    assert [(1, 3.0, GOOD, T0 + 2_000)] == reporter.tick(T0 + 5_000)
    assert [] == reporter.tick(T0 + 60_000)
    assert _shown(reporter, 4.0, T0 + 9_999) is None
    assert (5.0, GOOD) == _shown(reporter, 5.0, T0 + 10_000)
    assert [] == reporter.tick(T0 + 99_000)


def test_what_went_back_leaves_nothing_to_say():
    """The value is what was published, or within the deadband of it: nobody is told of the blip."""
    reporter = _reporter(deadband_s=5.0, deadband=0.5)
    _shown(reporter, 1.0)
    assert _shown(reporter, 9.0, T0 + 1_000) is None
    assert _shown(reporter, 1.25, T0 + 2_000) is None
    assert [] == reporter.tick(T0 + 5_000)
    assert (9.0, GOOD) == _shown(reporter, 9.0, T0 + 5_500)


def test_a_quality_does_not_wait():
    """A sensor that fails is told at once, and what waited before it is of no more interest."""
    reporter = _reporter(deadband_s=5.0)
    _shown(reporter, 1.0)
    assert _shown(reporter, 2.0, T0 + 1_000) is None
    assert (None, BAD) == _shown(reporter, None, T0 + 1_500, quality=BAD)
    assert [] == reporter.tick(T0 + 5_000)


def test_what_waits_is_said_before_the_loss():
    """The last value before a cable was pulled is not lost with it."""
    reporter = _reporter(deadband_s=5.0)
    _shown(reporter, 1.0)
    _shown(reporter, 2.0, T0 + 1_000, at=T0 + 1_000)
    assert [(1, 2.0, GOOD, T0 + 1_000), (1, 2.0, STALE, T0 + 3_000)] == reporter.lost(
        [1], T0 + 3_000
    )
    silent = _reporter(deadband_s=50.0, stale_s=5.0)
    _shown(silent, 1.0)
    _shown(silent, 2.0, T0 + 1_000)
    assert [GOOD, STALE] == [quality for _, _, quality, _ in silent.tick(T0 + 7_000)]


def test_texts_have_a_time_and_every_value_has_none():
    """A time holds for any type; `deliver: every` means what it says."""
    text = _reporter(datatype=DataType.STRING, deadband_s=5.0)
    assert [("a", GOOD), None] == [_shown(text, "a"), _shown(text, "b", T0 + 1)]
    every = _reporter(deadband_s=5.0, deliver_every=True)
    assert [(1.0, GOOD), (2.0, GOOD)] == [_shown(every, 1.0), _shown(every, 2.0, T0 + 1)]


@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 3)), min_size=1, max_size=40))
def test_a_time_is_kept_and_the_newest_is_never_lost(steps):
    """Whatever comes when: publishes are five seconds apart, and the last one is how things are."""
    reporter, now, said, last = _reporter(deadband_s=5.0), T0, [], 0
    for passed_ms, number in steps:
        now, last = now + passed_ms, number
        found = reporter.observed([(1, float(number), GOOD, now)], now) + reporter.tick(now)
        said += [(now, value) for _, value, _, _ in found]
    said += [(now + 5_000, value) for _, value, _, _ in reporter.tick(now + 5_000)]
    assert last == said[-1][1]
    assert all(later - sooner >= 5_000 for (sooner, _), (later, _) in pairwise(said))


@pytest.mark.parametrize(
    ("lead_ms", "expected", "quality", "skew_ms"),
    [
        (-3_600_000, T0 - 3_600_000, GOOD, 0),
        (5_000, T0 + 5_000, GOOD, 0),
        (6_000, T0 + 6_000, GOOD, 6_000),
        (300_001, T0 + 300_001, UNCERTAIN, 300_001),
        (-T0, T0, GOOD, 0),
        (-T0 - 5, T0, GOOD, 0),
        (2**62, T0, GOOD, 0),
    ],
)
def test_a_source_clock_is_believed_within_reason(lead_ms, expected, quality, skew_ms):
    """Late is kept, ahead is kept and counted, far ahead is Uncertain, no time becomes ours."""
    reporter = _reporter()
    (reading,) = reporter.observed([(1, 1.0, GOOD, T0 + lead_ms)], T0)
    assert (1, 1.0, quality, expected) == reading
    assert skew_ms == reporter.skew_ms


def test_readings_of_unknown_handles_and_misfits_are_counted_or_dropped():
    """A handle that nobody knows is no reason to fail; a value that does not fit is counted."""
    reporter = _reporter(datatype=DataType.INT8)
    assert [] == reporter.observed([(99, 1, GOOD, T0)], T0)
    reporter.observed([(1, 1000, GOOD, T0), (1, None, BAD, T0)], T0)
    assert 1 == reporter.misfits


@given(
    st.sampled_from(list(DataType)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(),
    st.none() | st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 4),
)
def test_no_value_breaks_a_coercion(datatype, raw, scale):
    """Whatever a device says, the result has the type and range of the tag, or is None."""
    rules = coercion(datatype, scale)
    value = rules.convert(raw)
    if value is None or datatype is DataType.UNKNOWN or datatype > DataType.BYTES:
        return
    if datatype.is_integer:
        low, high = datatype.limits
        assert type(value) is int
        assert low <= value <= high
    elif datatype.is_real:
        assert type(value) is float
        assert math.isfinite(value)
    elif datatype.is_text:
        assert value.encode() is not None


class ReportByException(RuleBasedStateMachine):
    """A device, a Reporter, and a consumer that knows only what the Reporter let through."""

    def __init__(self):
        super().__init__()
        self.now_ms = T0
        self.device = dict.fromkeys(HANDLES)  # what the device says: (value, quality)
        self.seen = {}  # what the consumer has: (value, quality)
        self.waiting = set()  # lost, and no reading since
        self.reporter = Reporter(
            {
                handle: _tag(datatype=DataType.DOUBLE, deadband=DEADBANDS[handle], stale_s=90.0)
                for handle in HANDLES
            }
        )

    def _apply(self, readings):
        for handle, value, quality, _ in readings:
            self.seen[handle] = value, quality

    @rule(
        handle=st.sampled_from(HANDLES),
        value=st.integers(-20, 20).map(lambda n: n / 4),
        quality=st.sampled_from([GOOD, GOOD, GOOD, UNCERTAIN, BAD]),
    )
    def observe(self, handle, value, quality):
        self.device[handle] = value, quality
        self.waiting.discard(handle)
        self._apply(self.reporter.observed([(handle, value, quality, self.now_ms)], self.now_ms))

    @precondition(lambda self: any(self.device.values()))
    @rule()
    def scan_again(self):
        readings = [
            (handle, *known, self.now_ms)
            for handle, known in self.device.items()
            if known and handle not in self.waiting
        ]
        self._apply(self.reporter.observed(readings, self.now_ms))

    @rule(handles=st.sets(st.sampled_from(HANDLES)))
    def lose(self, handles):
        readings = self.reporter.lost(handles, self.now_ms)
        assert all(quality == STALE for _, _, quality, _ in readings)
        self.waiting |= handles
        self._apply(readings)

    @rule(handles=st.sets(st.sampled_from(HANDLES)))
    def restart(self, handles):
        self.reporter.restart(handles)

    @rule(passed_ms=st.integers(1, 80_000))
    def wait(self, passed_ms):
        self.now_ms += passed_ms
        stale = self.reporter.tick(self.now_ms)
        self.waiting |= {handle for handle, *_ in stale}
        self._apply(stale)

    @invariant()
    def the_consumer_agrees_with_the_device(self):
        for handle, known in self.device.items():
            if not known or handle in self.waiting:
                continue
            value, quality = self.seen[handle]
            assert known[1] == quality
            assert abs(known[0] - value) <= DEADBANDS[handle]

    @invariant()
    def nothing_lost_looks_good(self):
        for handle in self.waiting:
            assert self.seen.get(handle, (None, BAD))[1] in (STALE, BAD)


TestReportByException = ReportByException.TestCase
TestReportByException.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_tags_that_stay_are_not_reported_again_when_others_come():
    """A change of tags keeps what is known of those that stay, and forgets those that left."""
    reporter = Reporter({1: _tag(), 2: _tag()})
    assert 2 == len(reporter.observed([(1, 5.0, GOOD, T0), (2, 5.0, GOOD, T0)], T0))
    reporter.change({1: _tag(), 3: _tag()})
    readings = [(handle, 5.0, GOOD, T0) for handle in (1, 2, 3)]
    assert [3] == [reading[0] for reading in reporter.observed(readings, T0 + 1)]
    assert [(1, 5.0, GOOD, T0 + 1)] == reporter.known([1, 2])


def test_a_value_that_does_not_fit_is_known_until_one_does():
    """What the device says stands for it; null and NaN are the device's own words."""
    reporter = _reporter(datatype=DataType.UINT16)
    assert {} == reporter.misfitting()
    reporter.observed([(1, 70_000, GOOD, T0)], T0)
    assert {1: 70_000} == reporter.misfitting()
    reporter.observed([(1, 70_000, GOOD, T0 + 1)], T0 + 1)
    assert {1: 70_000} == reporter.misfitting()
    for fitting in ((1, 7, GOOD, T0), (1, math.nan, GOOD, T0), (1, None, BAD, T0)):
        reporter.observed([(1, 70_000, GOOD, T0), fitting], T0)
        assert {} == reporter.misfitting()
    reporter.observed([(1, 70_000, GOOD, T0)], T0)
    reporter.change({})
    assert {} == reporter.misfitting()
