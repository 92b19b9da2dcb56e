"""Values without a device: what they are at a moment, and that a recording is played as it is."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from bridges.driver import BoundTag, CanReadNow, CanWrite
from bridges.sim import SimConfig, SimDriver
from bridges.sim.recording import Recording
from bridges.sim.shapes import value_at
from uns.errors import DeviceError
from uns.metric import DataType, Quality

NOON_MS = 1_800_000_000_000


def _value(text, now_ms=NOON_MS, seed=0):
    return value_at(SimDriver.parse(text, SimConfig()), seed, now_ms)


def _tag(handle, text, datatype=DataType.DOUBLE):
    return BoundTag(handle, SimDriver.parse(text, SimConfig()), datatype)


async def _opened(tmp_path, *tags, **settings):
    driver = SimDriver(SimConfig(**settings))
    driver.home = tmp_path
    await driver.open()
    return driver, await driver.bind(tags)


def test_waves_have_their_shape_over_a_period():
    """Quarter by quarter, as drawn in the page."""
    quarters = [NOON_MS + at for at in (0, 15_000, 30_000, 45_000)]
    assert [3.0, 6.0, 3.0, 0.0] == [round(_value("sine 0..6 60s", at), 9) for at in quarters]
    assert [0.0, 1.5, 3.0, 4.5] == [_value("ramp 0..6 60s", at) for at in quarters]
    assert [0.0, 3.0, 6.0, 3.0] == [_value("triangle 0..6 60s", at) for at in quarters]
    assert [0.0, 0.0, 6.0, 6.0] == [_value("square 0..6 60s", at) for at in quarters]
    assert [False, False, True, True] == [_value("toggle 60s", at) for at in quarters]
    assert ["A", "A", "B", "B"] == [_value("turn A,B 30s", at) for at in quarters]


@pytest.mark.parametrize("shape", ["sine 2..3 7s", "walk 2..3", "noise 2..3", "ramp 2..3 7s"])
def test_a_wave_stays_in_its_span_and_moves(shape):
    """An hour of it, second by second: never outside, and never the same for long."""
    values = [_value(shape, NOON_MS + 1000 * second, seed=3) for second in range(3600)]
    assert (True, True) == (min(values) >= 2, max(values) <= 3)
    assert max(values) - min(values) > 0.5


def test_a_walk_never_jumps():
    """From one second to the next it moves by less than a fifth of its span."""
    values = [_value("walk 0..100", NOON_MS + 1000 * second) for second in range(600)]
    assert max(abs(a - b) for a, b in pairwise(values)) < 20


def test_a_counter_counts_at_its_rate_and_never_back():
    """120 a minute are 2 in every second, whoever asks and whenever."""
    values = [_value("counter 120/min", NOON_MS + 500 * half) for half in range(20)]
    assert list(range(values[0], values[0] + 20)) == values


def test_a_machine_makes_one_order_after_the_other():
    """All states of an order appear, with a stop in the middle, and EXECUTE most of the time."""
    seconds = [_value("packml 10min", NOON_MS + 1000 * second) for second in range(600)]
    assert {15, 4, 3, 6, 10, 11, 12, 16, 17} == set(seconds)
    assert seconds.count(6) > 500


async def test_what_is_written_to_a_memory_stays(tmp_path):
    """A new session reads what the one before wrote; waves refuse, with a reason."""
    memory, wave = _tag(1, "memory 50"), _tag(2, "sine 0..1 5s")
    driver, _ = await _opened(tmp_path, memory, wave, seed=77)
    assert isinstance(driver, CanWrite)
    assert isinstance(driver, CanReadNow)
    assert [50] == [reading[1] for reading in await driver.read([1])]
    problems = await driver.write([(memory, 61.5), (wave, 1.0)])
    assert ("", True) == (problems[0], "goes by the clock" in problems[1])
    await driver.close()
    again, _ = await _opened(tmp_path, memory, seed=77)
    assert [61.5] == [reading[1] for reading in await again.read_now([1])]
    other, _ = await _opened(tmp_path, memory, seed=78)
    assert [50] == [reading[1] for reading in await other.read([1])]


async def test_a_recording_is_played_as_it_is(tmp_path):
    """Columns by name; an empty cell keeps what stood above; after the end it begins again."""
    (tmp_path / "shift.csv").write_text(
        "time,speed,product,running\n"
        "2026-01-08T10:00:00Z,100,Lemon,true\n"
        "2026-01-08T10:00:01Z,110.5,,false\n"
        "2026-01-08T10:00:04Z,,Cola,true\n"
    )
    recording = Recording.read(tmp_path / "shift.csv")
    assert (4000, ["speed", "product", "running"]) == (recording.length_ms, recording.names)
    assert [100, 110.5, 110.5] == [recording.at("speed", at) for at in (0, 1000, 3999)]
    assert ["Lemon", "Lemon", "Cola"] == [recording.at("product", at) for at in (0, 3999, 4000)]
    assert [True, False] == [recording.at("running", at) for at in (999, 1000)]
    tags = [_tag(1, "replay speed"), _tag(2, "replay spede")]
    driver, results = await _opened(tmp_path, *tags, recording="shift.csv")
    assert ["", "the recording has no column `spede`; it has speed, product, running"] == [
        result.problem for result in results
    ]
    (speed, missing) = await driver.read([1, 2])
    assert (True, Quality.GOOD) == (speed[1] in (100, 110.5), speed[2])
    assert (None, Quality.BAD) == missing[1:3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "first line must name the columns"),
        ("time,a\n1,5\n", "no two moments"),
        ("time,a\nnow,5\n", ":2: `now` is no time"),
        ("time,a\n5,1\n4,1\n", ":3: time goes back"),
        ("time,a,a\n5,1,1\n", "each once"),
    ],
)
async def test_a_recording_that_is_none_says_where(tmp_path, content, said):
    """One sentence with file and line, and no session."""
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(DeviceError, match=said):
        await _opened(tmp_path, recording="bad.csv")


async def test_a_recording_that_is_not_there_or_no_text_is_one_sentence(tmp_path):
    """The path is named."""
    with pytest.raises(DeviceError, match=r"none\.csv cannot be read"):
        await _opened(tmp_path, recording="none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"time,a\n1,\xff\xfe\n2,5\n")
    with pytest.raises(DeviceError, match="no CSV file in UTF-8"):
        await _opened(tmp_path, recording="bytes.csv")


def test_settings_are_their_key():
    """Equal settings share a session; none needs a port."""
    assert "sim://0" == SimConfig().key()
    assert "sim://4/a.csv?speed=2" == SimConfig(seed=4, recording="a.csv", speed=2).key()
    assert (None, SimConfig()) == (SimConfig().endpoint(), SimConfig().moved_to(5))
    assert json.loads(SimConfig().model_dump_json())
