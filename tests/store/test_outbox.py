"""What the outbox promises: all or nothing, once, in order, and over every restart."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from uns.errors import StorageError
from uns.store.outbox import Attempt, Delivery, DeliveryState, Entry, NewDelivery, Outbox


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    outbox = Outbox(tmp_path / "outbox.db")
    yield outbox
    outbox.close()


def message(id_: str, lane: str = "lane", target: str = "erp", **more: Any) -> NewDelivery:
    """A message."""
    return NewDelivery(target, id_, lane, 1_000, f"body of {id_}", **more)


def put(box: Outbox, *messages: NewDelivery, state: Any = None, route: str = "r") -> int:
    """Commit one entry."""
    return box.commit([Entry(route, state or {}, messages)])


def ids(deliveries: list[Delivery]) -> list[str]:
    """Their ids."""
    return [delivery.id for delivery in deliveries]


def end(box: Outbox, state: DeliveryState, *deliveries: Delivery, next_ms: int = 0) -> None:
    """Finish deliveries."""
    box.finish([Attempt(d, state, state.value, next_ms) for d in deliveries], now_ms=5_000)


def test_a_message_is_handed_out_with_what_was_put_in(box: Outbox) -> None:
    """Id, route and body come back, and it is the first attempt."""
    assert 1 == put(box, message("a"))
    (delivery,) = box.claim("erp", now_ms=0)
    assert ("a", "r", "body of a", 1, False) == (
        delivery.id,
        delivery.route,
        delivery.body,
        delivery.attempts,
        delivery.may_have_arrived,
    )


def test_the_same_id_is_kept_once_for_each_target(box: Outbox) -> None:
    """A repetition is no second message, even after the first was delivered."""
    assert 2 == put(box, message("a"), message("a", target="archive"))
    assert 0 == put(box, message("a"))
    end(box, DeliveryState.DONE, *box.claim("erp", 0))
    assert 0 == put(box, message("a"))
    assert [] == box.claim("erp", 0)


def test_a_lane_is_in_order_and_lanes_do_not_wait_for_each_other(box: Outbox) -> None:
    """Of each lane only the oldest open message is handed out."""
    put(box, message("a1", "A"), message("b1", "B"), message("a2", "A"), message("b2", "B"))
    a1, b1 = box.claim("erp", 0)
    assert [] == box.claim("erp", 0)
    end(box, DeliveryState.DONE, b1)
    assert ["b2"] == ids(box.claim("erp", 0))
    end(box, DeliveryState.READY, a1, next_ms=9_000)
    assert [] == box.claim("erp", 8_999)
    assert ["a1"] == ids(box.claim("erp", 9_000))


def test_a_dead_message_does_not_block_its_lane(box: Outbox) -> None:
    """What the target refuses for good stays to be looked at; the next goes on."""
    put(box, message("a1"), message("a2"))
    end(box, DeliveryState.DEAD, *box.claim("erp", 0))
    assert [("erp", "a1", "dead")] == box.dead()
    assert ["a2"] == ids(box.claim("erp", 0))


def test_a_message_with_a_problem_is_never_sent(box: Outbox) -> None:
    """It is kept with the reason."""
    put(box, message("a", problem="no such order"))
    assert [] == box.claim("erp", 0)
    assert [("erp", "a", "no such order")] == box.dead()


def test_targets_do_not_wait_for_each_other(box: Outbox) -> None:
    """One target's lane is nothing to another's."""
    put(box, message("a"), message("a", target="archive"))
    assert ["a"] == ids(box.claim("archive", 0))
    assert ["a"] == ids(box.claim("erp", 0))


def test_a_restart_keeps_messages_states_and_the_retry_schedule(tmp_path: Path) -> None:
    """Everything that was committed is there again, at the same time of its next attempt."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    put(box, message("a1"), message("a2"), state={"order": "A", "totals": {"good": 7}})
    end(box, DeliveryState.READY, *box.claim("erp", 0), next_ms=60_000)
    box.close()
    box = Outbox(path)
    assert {"order": "A", "totals": {"good": 7}} == box.state("r")
    assert 60_000 == box.next_due_ms("erp")
    assert [] == box.claim("erp", 59_999)
    (delivery,) = box.claim("erp", 60_000)
    assert ("a1", 2, False) == (delivery.id, delivery.attempts, delivery.may_have_arrived)
    box.close()


def test_what_a_crash_left_in_a_senders_hands_may_have_arrived(tmp_path: Path) -> None:
    """The next attempt knows."""
    box = Outbox(tmp_path / "outbox.db")
    put(box, message("a"))
    box.claim("erp", 0)
    box.close()
    box = Outbox(tmp_path / "outbox.db")
    assert [True] == [delivery.may_have_arrived for delivery in box.claim("erp", 0)]
    box.close()


def test_a_target_that_answers_again_gets_everything_at_once(box: Outbox) -> None:
    """`hasten` forgets the pauses of that target only."""
    put(box, message("a", "A"), message("b", "B"), message("c", target="archive"))
    end(box, DeliveryState.READY, *box.claim("erp", 0), next_ms=500_000)
    end(box, DeliveryState.READY, *box.claim("archive", 0), next_ms=500_000)
    box.hasten("erp", 1_000)
    assert ["a", "b"] == ids(box.claim("erp", 1_000))
    assert [] == box.claim("archive", 1_000)


def test_a_clock_that_was_set_back_delays_nothing_for_long(box: Outbox) -> None:
    """A next attempt further away than any pause is due now."""
    put(box, message("a"))
    end(box, DeliveryState.READY, *box.claim("erp", 0), next_ms=10**12)
    assert ["a"] == ids(box.claim("erp", 1_000))


def test_every_attempt_is_written_down(box: Outbox) -> None:
    """When, how it ended, and what was said."""
    put(box, message("a"))
    end(box, DeliveryState.UNKNOWN, *box.claim("erp", 0))
    end(box, DeliveryState.DONE, *box.claim("erp", 0))
    assert [(5_000, "unknown", "unknown"), (5_000, "done", "done")] == box.attempts_of("erp", "a")


def test_counts_are_by_route_and_target(box: Outbox) -> None:
    """Waiting, unknown, dead, delivered, the oldest event and the last delivery."""
    put(box, message("a", "A"), message("b", "B"), message("c", "C"), message("d", "D"))
    claimed = box.claim("erp", 0)
    end(box, DeliveryState.DONE, claimed[0])
    end(box, DeliveryState.UNKNOWN, claimed[1])
    end(box, DeliveryState.DEAD, claimed[2])
    (count,) = box.counts()
    assert ("r", "erp", 2, 1, 1, 1, 1_000, 5_000) == (
        *(count.route, count.target, count.waiting, count.unknown, count.dead),
        *(count.delivered, count.oldest_event_ms, count.last_delivered_ms),
    )


def test_delivered_messages_are_forgotten_oldest_first_and_stay_counted(tmp_path: Path) -> None:
    """The file does not grow for ever; the count of deliveries goes on."""
    box = Outbox(tmp_path / "outbox.db", kept=100)
    for batch in range(12):
        put(box, *(message(f"{batch}-{n}", f"{n}") for n in range(100)))
        end(box, DeliveryState.DONE, *box.claim("erp", 0, limit=200))
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        (rows,) = connection.execute("SELECT count(*) FROM delivery").fetchone()
        (attempts,) = connection.execute("SELECT count(*) FROM attempt").fetchone()
    connection.close()
    assert rows == attempts
    assert 100 <= rows <= 600
    assert 1200 == box.counts()[0].delivered
    box.close()


def test_a_full_outbox_says_which_target_and_loses_nothing(tmp_path: Path) -> None:
    """The caller keeps what was refused; state and messages are refused together."""
    box = Outbox(tmp_path / "outbox.db", max_open=3)
    put(box, *(message(f"{n}") for n in range(3)), state={"n": 1})
    with pytest.raises(StorageError, match=r"3 messages wait.*for the target `erp`") as caught:
        put(box, message("more"), state={"n": 2})
    assert "nothing is lost" in caught.value.hint
    assert {"n": 1} == box.state("r")
    end(box, DeliveryState.DONE, *box.claim("erp", 0))
    assert 1 == put(box, message("more"), state={"n": 2})
    box.close()


def test_a_full_disk_refuses_all_of_a_commit_and_takes_it_later(box: Outbox) -> None:
    """SQLITE_FULL becomes a sentence; after space was made, the same commit succeeds."""
    put(box, message("a"), state={"n": 1})
    connection = box._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    big = [NewDelivery("erp", f"big{n}", "lane", 0, "x" * 4000) for n in range(10)]
    with pytest.raises(StorageError, match="disk is full") as caught:
        box.commit([Entry("r", {"n": 2}, big)])
    assert "free space" in caught.value.hint
    assert {"n": 1} == box.state("r")
    assert ["a"] == ids(box.claim("erp", 0))
    connection.execute("PRAGMA max_page_count = 1000000")
    assert 10 == box.commit([Entry("r", {"n": 2}, big)])


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"\0" * 9000])
def test_a_broken_file_is_set_aside_and_an_empty_one_takes_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """It is kept for whoever looks into it, and said loudly."""
    path = tmp_path / "outbox.db"
    for number in (1, 2):
        path.write_bytes(content)
        box = Outbox(path)
        put(box, message("a"))
        assert ["a"] == ids(box.claim("erp", 0))
        box.close()
        for companion in tmp_path.glob("outbox.db-*"):
            companion.unlink()
        assert content == (tmp_path / f"outbox.db.broken-{number}").read_bytes()
    assert "is broken; it was set aside as outbox.db.broken-1" in caplog.text


def test_a_torn_page_is_noticed(tmp_path: Path) -> None:
    """A file whose head is right and whose middle is not is broken too."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    put(box, *(message(f"{n}") for n in range(200)))
    box.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 8] = b"\xff" * 4096 * 6
    path.write_bytes(content)
    box = Outbox(path)
    assert (tmp_path / "outbox.db.broken-1").exists()
    assert 1 == put(box, message("a"))
    box.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """The sentence names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make the folder"):
        Outbox(tmp_path / "file" / "below" / "outbox.db")


def test_another_process_that_holds_the_file_is_named_as_the_reason(
    box: Outbox, tmp_path: Path
) -> None:
    """SQLITE_BUSY becomes a question that leads to the answer."""
    box._database._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="held by another process"):
        put(box, message("a"))
    other.execute("ROLLBACK")
    other.close()
    assert 1 == put(box, message("a"))


KILLED = """
import sys
from pathlib import Path
from uns.store.outbox import Entry, NewDelivery, Outbox
box = Outbox(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    box.commit([Entry("r", {"n": number}, [NewDelivery("erp", str(number), "lane", 0, "x" * 500)])])
    print(number, flush=True)
"""


def test_a_killed_process_leaves_state_and_messages_of_one_mind(tmp_path: Path) -> None:
    """SIGKILL anywhere: the state says n exactly when the n-th message is there."""
    path = tmp_path / "outbox.db"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent.parent,
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(20)]
            process.send_signal(signal.SIGKILL)
            told = int((lines + process.stdout.readlines())[-1])
        with sqlite3.connect(path) as connection:
            (state,) = connection.execute("SELECT state FROM trigger_state").fetchone()
            (newest,) = connection.execute(
                "SELECT id FROM delivery ORDER BY number DESC LIMIT 1"
            ).fetchone()
        connection.close()
        kept = json.loads(state)["n"]
        assert int(newest) == kept
        assert kept in (told, told + 1)
        path.unlink()
        for companion in tmp_path.glob("outbox.db-*"):
            companion.unlink()


def test_what_a_stopped_sender_had_in_its_hands_may_have_arrived(box: Outbox) -> None:
    """It is handed out again, and to be probed first; another target's stays where it is."""
    put(box, message("a"), message("b", target="archive"))
    box.claim("erp", 5_000)
    box.claim("archive", 5_000)
    assert [] == box.claim("erp", 5_000)
    box.release("erp")
    (again,) = box.claim("erp", 5_000)
    assert ("a", True) == (again.id, again.may_have_arrived)
    assert [] == box.claim("archive", 5_000)
