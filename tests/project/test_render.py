"""Drawing diagnostics: carets stand under what they speak of, whatever the letters."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from uns.project.diagnose import diagnostic
from uns.project.render import render
from uns.project.source import Source, Written


def _drawn(text: str, steps: tuple[str | int, ...], width: int = 80, hint: str = "") -> list[str]:
    source = Source.parse(text, "plant.yaml")
    one = diagnostic("UNS101", "wrong", Written(source, steps), hint=hint)
    out = io.StringIO()
    render(Console(file=out, width=width, color_system=None), {"plant.yaml": source}, [one])
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_caret_stands_under_wide_letters() -> None:
    """Letters that take two columns move the caret by two."""
    drawn = _drawn("压力: {温度: 高}\n", ("压力", "温度"))
    assert ["1 | 压力: {温度: 高}", "  |              ^^"] == drawn[3:5]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_line_is_shown_around_the_caret(width: int) -> None:
    """A line that does not fit is cut, and the caret still stands under the right word."""
    text = "a: {" + ", ".join(f"key_{n}: {n}" for n in range(500)) + ", wrong: here}\n"
    drawn = _drawn(text, ("a", "wrong"), width)
    line, carets = drawn[3], drawn[4]
    start = carets.index("^")
    assert "here" == line[start : start + 4]
    assert len(line) <= width


def test_a_value_over_several_lines_is_underlined_to_the_end_of_its_first() -> None:
    """The caret does not run past what is shown."""
    drawn = _drawn('a: "one\n  two"\n', ("a",))
    assert ['1 | a: "one', "  |    ^^^^"] == drawn[3:5]


def test_a_file_without_text_is_only_named() -> None:
    """Where there is no line to show there is none, and the hint is told nevertheless."""
    source = Source("plant.yaml", "")
    one = diagnostic("UNS006", "nothing there", Written(source), hint="write something")
    out = io.StringIO()
    render(Console(file=out, width=80, color_system=None), {}, [one])
    assert "error[UNS006]: nothing there\n--> plant.yaml: write something\n\n" == out.getvalue()
