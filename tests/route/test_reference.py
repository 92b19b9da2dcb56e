"""docs/reference/routes.md and the targets' pages speak of every word there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from uns.route.functions import FUNCTIONS
from uns.route.words import (
    CounterWords,
    ForEachWords,
    RouteWords,
    TargetWords,
    TemplateWords,
    TriggerWords,
)
from uns.target import TARGETS, get_target

REFERENCE = Path(__file__).parent.parent.parent / "docs/reference"
WORDS = (TargetWords, TemplateWords, TriggerWords, CounterWords, RouteWords, ForEachWords)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_every_word_is_in_the_reference(words: Any) -> None:
    """A key that a project may hold is explained."""
    page = (REFERENCE / "routes.md").read_text()
    keys = [field.alias or name for name, field in words.model_fields.items()]
    assert [] == [key for key in keys if f"`{key}`" not in page and f": {key}\n" not in page]


def test_every_function_is_in_the_reference() -> None:
    """And no function that there is not."""
    page = (REFERENCE / "routes.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| functions |")]
    assert sorted(FUNCTIONS) == line.split("|")[2].replace("`", " ").split()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_word_of_a_target_is_on_its_page(name: str) -> None:
    """Its page has a row for each of its own words."""
    page = (REFERENCE / "targets" / f"{name}.md").read_text()
    own = set(get_target(name).Config.model_fields) - set(TargetWords.model_fields)
    assert [] == [word for word in sorted(own) if f"| `{word}` |" not in page]
