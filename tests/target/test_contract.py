"""What every target promises; run for each of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from uns.errors import ProjectError
from uns.target import TARGETS, get_target
from uns.target.target import Effect, Ending, Target

pytestmark = pytest.mark.slow


async def test_a_message_arrives(end: Any, message: Any) -> None:
    """DONE means that it is there."""
    outcome = await end.target.deliver(message("a"))
    assert (Ending.DONE, 1) == (outcome.ending, end.arrived())


async def test_the_same_id_again_has_no_second_effect(end: Any, message: Any) -> None:
    """Sent three times, there once, and DONE each time."""
    endings = [(await end.target.deliver(message("a"))).ending for _ in range(3)]
    assert ([Ending.DONE] * 3, 1) == (endings, end.arrived())


async def test_ids_that_look_alike_are_different(end: Any, message: Any) -> None:
    """What a header or a file system cannot hold makes no two ids one."""
    ids = ["PO:1/a", "PO 1 a", "PO_1_a", "PÖ:1/ä", "../../etc/x", "a" * 500, "a" * 501]
    for id_ in ids:
        assert Ending.DONE is (await end.target.deliver(message(id_))).ending
    assert len(ids) == end.arrived()


async def test_several_messages_at_once_all_arrive(end: Any, message: Any) -> None:
    """Lanes are served at the same time."""
    outcomes = await asyncio.gather(*(end.target.deliver(message(f"{n}")) for n in range(20)))
    assert {Ending.DONE} == {outcome.ending for outcome in outcomes}
    assert 20 == end.arrived()


async def test_an_end_that_is_not_there_is_tried_again(end: Any, message: Any) -> None:
    """RETRY, with a sentence that names it."""
    gone = end.gone()
    await gone.open()
    outcome = await gone.deliver(message("a"))
    await gone.close()
    assert Ending.RETRY is outcome.ending
    assert "cannot" in outcome.said


async def test_closing_is_quick_and_may_be_repeated(end: Any) -> None:
    """Within two seconds, twice."""
    began = time.monotonic()
    await end.target.close()
    await end.target.close()
    assert time.monotonic() - began < 2


async def test_opening_needs_no_other_end(end: Any) -> None:
    """A target that is down at the start is no reason not to start."""
    gone = end.gone()
    await gone.open()
    await gone.close()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_target_declares_how_its_effect_is_once(name: str) -> None:
    """And its words forbid what it does not know."""
    target: type[Target] = get_target(name)
    assert target.effect in Effect
    assert "forbid" == target.Config.model_config["extra"]
    assert all(field.description for field in target.Config.model_fields.values())


def test_an_unknown_type_names_those_that_there_are() -> None:
    """The hint is the list."""
    with pytest.raises(ProjectError, match="no type of target called `ftp`") as caught:
        get_target("ftp")
    assert "one of file, http" == caught.value.hint


def test_the_words_of_a_target_are_checked_without_connecting() -> None:
    """A wrong address is found when the project is read."""
    with pytest.raises(ValidationError, match="begins with http"):
        get_target("http").Config(type="http", url="ftp://x")  # type: ignore[call-arg]


def test_a_token_is_not_shown(tmp_path: Path) -> None:
    """Logs and errors print settings; a secret is none of them."""
    config = get_target("http").Config(type="http", url="http://x", bearer="hush")  # type: ignore[call-arg]
    assert "hush" not in repr(config) + str(config)
