"""The report of `uns sparkplug check`: for people on a terminal, and as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from uns.sparkplug.monitor import Conduct, Evidence, Grade, Kind, Outcome, Report

__all__ = ["as_document", "show"]

_NAMELESS = {Kind.EDGE_NODE: "(no edge node)", Kind.HOST: "(who sent commands)"}
_STYLES = {
    Outcome.FAIL: "bold red",
    Outcome.ADVICE: "yellow",
    Outcome.PASS: "green",
    Outcome.NOT_SEEN: "dim",
}
_COLUMNS = {
    Outcome.FAIL: "FAIL",
    Outcome.ADVICE: "advice",
    Outcome.PASS: "pass",
    Outcome.NOT_SEEN: "not seen",
}
_INDENT = 8  # the longest usual id has 71 letters, a terminal 80 columns
_LABEL = 7
_NAME_WIDTH = 44
_MOST_TOLD, _MOST_COUNTED = 20, 50  # participants; the JSON document has them all


def show(report: Report, broker: str, seconds: float, losses: int) -> None:
    """Print what was broken, by whom, the story of each, and a table of counts."""
    console = Console(highlight=False)
    broken = [one for one in report.participants if one.failures or one.advice]
    for one in broken[:_MOST_TOLD]:
        _show_conduct(console, one)
    if len(broken) > _MOST_TOLD:
        console.print(f"… and {_many(len(broken) - _MOST_TOLD, 'other')}; --json tells of them.\n")
    if report.participants:
        console.print(_counts(report))
        console.print()
    for sentence in _sentences(report, broker, seconds):
        console.print(sentence)
    if losses:
        times = "once" if losses == 1 else f"{losses:,} times"
        console.print(Text(f"The broker was lost {times}: nothing was heard then.", "yellow"))


def as_document(report: Report, broker: str, seconds: float, losses: int) -> Iterator[str]:
    """Everything as JSON, piece by piece: a wall of topics makes hundreds of megabytes of it.

    Times are milliseconds since 1970 UTC; half surrogates are escaped like all that is not ASCII.
    """
    said = {
        "broker": broker,
        "seconds": round(seconds, 1),
        "losses": losses,
        "messages": report.messages,
        "left_out": report.left_out,
        "failures": len(report.failures),
    }
    yield json.dumps(said, indent=2).removesuffix("\n}") + ',\n  "participants": ['
    for place, one in enumerate(report.participants):
        yield f"{',' if place else ''}\n    {_participant(one)}"
    yield "\n  ]\n}\n" if report.participants else "]\n}\n"


def _participant(one: Conduct) -> str:
    """A grade in each line."""
    said = {
        "kind": str(one.kind),
        "name": one.name,
        "counts": {str(outcome): count for outcome, count in one.counts.items()},
    }
    grades = ",\n      ".join(json.dumps(_grade(grade)) for grade in one.grades.values())
    return json.dumps(said).removesuffix("}") + f', "grades": [\n      {grades}]}}'


def _grade(grade: Grade) -> dict[str, Any]:
    found = {"id": grade.id, "outcome": str(grade.outcome), "level": str(grade.level),
             "words": grade.words}  # fmt: skip
    if not grade.count:
        return found
    evidence = grade.evidence
    story = evidence and {
        "at_ms": evidence.at_ms,
        "topic": evidence.topic,
        "expected": evidence.expected,
        "actual": evidence.actual,
        "remedy": evidence.remedy,
    }
    return {**found, "count": grade.count, "evidence": story}


def _show_conduct(console: Console, one: Conduct) -> None:
    console.print(Text.assemble((_name(one), "bold"), (f"  {one.kind}", "dim")))
    for grades in _stories(one.failures + one.advice):
        _show_story(console, grades)
    console.print()


def _stories(grades: Iterable[Grade]) -> list[list[Grade]]:
    """Statements that one message broke together: their story is told once."""
    found: dict[object, list[Grade]] = {}
    for grade in grades:
        key = (grade.outcome, id(grade.evidence) if grade.evidence else grade.id)
        found.setdefault(key, []).append(grade)
    return list(found.values())


def _show_story(console: Console, grades: list[Grade]) -> None:
    first = grades[0]
    times = f"  {first.count:,} times" if first.count > 1 else ""
    mark = Text(_COLUMNS[first.outcome], _STYLES[first.outcome])
    console.print(_beside(mark, Text.assemble(first.words, (times, "dim")), _INDENT))
    for label, text in _telling(first.evidence):
        line = _beside(Text(label, "dim"), Text(_one_line(text)), _LABEL)
        console.print(_beside(Text(), line, _INDENT))
    for grade in grades:
        console.print(_beside(Text(), Text(grade.id, "dim"), _INDENT))


def _telling(evidence: Evidence | None) -> list[tuple[str, str]]:
    if evidence is None:
        return [("was", "one of too many to keep the story of each")]
    at = datetime.fromtimestamp(evidence.at_ms / 1000, UTC).astimezone()
    return [
        ("should", f"be {evidence.expected}"),
        ("was", evidence.actual),
        ("where", f"{evidence.topic} at {at:%H:%M:%S}"),
        ("do", evidence.remedy),
    ]


def _beside(left: Text, right: RenderableType, width: int) -> Table:
    """Two columns: what wraps on the right stays on the right."""
    grid = Table.grid()
    grid.add_column(width=width)
    grid.add_column(overflow="fold")
    grid.add_row(left, right)
    return grid


def _counts(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("statements", overflow="fold", max_width=_NAME_WIDTH)
    for title in _COLUMNS.values():
        table.add_column(title, justify="right")
    for one in report.participants[:_MOST_COUNTED]:
        counts = {outcome: one.counts[outcome] for outcome in _COLUMNS}
        cells = [Text(f"{n:,}", _STYLES[o] if n else "dim") for o, n in counts.items()]
        table.add_row(Text(_name(one)), *cells)
    left = len(report.participants) - _MOST_COUNTED
    if left > 0:
        table.add_row(Text(f"… and {_many(left, 'other')}", "dim"))
    return table


def _sentences(report: Report, broker: str, seconds: float) -> Iterable[Text]:
    nodes = [one for one in report.participants if one.kind is Kind.EDGE_NODE]
    hosts = [one for one in report.participants if one.kind is Kind.HOST]
    if not report.messages:
        yield Text(f"No Sparkplug message on {broker} in {seconds:.0f} s.", "yellow")
        yield Text("Is it the right broker, and may we subscribe to spBv1.0/#?")
        return
    yield Text(
        f"{report.messages:,} messages in {seconds:.0f} s: {_many(len(nodes), 'edge node')}, "
        f"{_many(len(hosts), 'host application')}."
    )
    if report.left_out:
        yield Text(f"{report.left_out:,} messages were of too many others, and left out.", "yellow")
    broken = {one.name for one, _ in report.failures}
    if broken:
        count = len(report.failures)
        yield Text(f"{_many(count, 'statement')} broken that MUST be kept.", "bold red")
    else:
        yield Text("Nothing that MUST be kept was broken.", "green")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _name(one: Conduct) -> str:
    return _one_line(one.name) or _NAMELESS[one.kind]


def _one_line(text: str) -> str:
    """Keep a terminal's line a line: what cannot be printed is escaped."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
