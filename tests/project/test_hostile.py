"""Hostile files: whatever a file holds, it is refused soon, with a place, and nothing breaks."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.project.render import as_data, one_line, render

SOON_S = 2.0  # CPU; a second on a machine that does nothing else


def _bomb(levels: int) -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def _merges(count: int) -> str:
    lines = ["x: &a {a: 1, b: 2}"]
    lines += [f"z{n}: {{<<: [{','.join(['*a'] * 1000)}]}}" for n in range(count)]
    return "\n".join(lines)


ACME = "enterprise: acme\n"
FILES = {
    "a bomb of anchors": (_bomb(30), "UNS004 7:5"),
    "merges of merges": (_merges(100), "UNS101 1:1"),
    "brackets that open": ("x: " + "[" * 100_000, "UNS004 1:67"),
    "brackets that close too": ("x: " + "[" * 100_000 + "]" * 100_000, "UNS004 1:67"),
    "braces": ("{a: " * 100_000, "UNS004 1:257"),
    "lists in lists": ("- " * 100_000, "UNS004 1:129"),
    "a long scalar": ("enterprise: " + "x" * 9_000_000, "UNS004 1:1"),
    "a longer scalar": ("enterprise: " + "x" * 50_000_000, "UNS005 1:1"),
    "a scalar of many lines": ("enterprise: 'a\n" + "b c\n" * 10_000_000, "UNS005 1:1"),
    "a key written often": (ACME * 100_000, "UNS002 2:1"),
    "keys nobody knows": ("".join(f"k{n}: 1\n" for n in range(100_000)), "UNS101 1:1"),
    "types nobody can read": (
        ACME + "types:\n" + "".join(f"  t{n}: {{a: 1, b: 2}}\n" for n in range(20_000)),
        "UNS101 3:8",
    ),
    "words nobody knows": (
        ACME + "types:\n  t:\n" + "".join(f"    k{n}: 1\n" for n in range(50_000)),
        "UNS101 4:5",
    ),
    "a control character": (ACME + "# \x07", "UNS005 2:3"),
    "the end of a C string": (ACME + "sites: {a: \0}", "UNS005 2:12"),
    "text that runs backwards": (ACME + "sites: {a\u202eb: {}}", "UNS108 2:9"),
    "many documents": ("---\n" * 100_000, "UNS001 2:1"),
    "an alias of itself": ("a: &a [*a]", "UNS001 1:8"),
    "a range without end": (
        ACME + f"instances:\n  - {{path: 'a/b/c/{{n}}', is: x, each: {{n: 1..{'9' * 1000}}}}}",
        "UNS109 3:42",
    ),
    "a number without end": (ACME + f"types: {{a: {{version: {'9' * 5000}}}}}", "UNS100 2:22"),
    "a name without end": (ACME + f"types: {{a: {{tags: {{{'a/' * 500}: }}}}}}", "UNS108 2:20"),
    "a formula without end": (
        ACME + f"types: {{a: {{tags: {{b: {{calc: '{'(' * 50_000}'}}}}}}}}",
        "UNS401 2:31",
    ),
    "machines without end": (
        ACME + "instances:\n  - {path: 'a/b/{x}/{y}', is: x, each: {x: 1..9999, y: 1..9999}}",
        "UNS106 3:12",
    ),
}


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_a_hostile_file_is_refused_soon(text: str, expected: str, tmp_path: Path) -> None:
    """It has a code and a place, can be drawn and told, and takes no time and no stack."""
    (tmp_path / "plant.yaml").write_text(text, encoding="utf-8", newline="")
    begun = time.process_time()
    found = load(tmp_path, Catalogue())
    first = found.errors[0]
    render(Console(file=io.StringIO(), width=100), found.sources, found.diagnostics[:100])
    told = [one_line(one) + str(as_data(one)) for one in found.diagnostics]
    spent_s = time.process_time() - begun
    assert expected == f"{first.code} {first.span.line}:{first.span.column}"
    assert found.project is None
    assert len(told) < 2_000
    assert all(line.isprintable() for line in told)
    assert spent_s < SOON_S
