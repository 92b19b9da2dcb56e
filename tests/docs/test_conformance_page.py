"""docs/reference/conformance.md lists every statement with the tests that prove it."""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import yaml

from uns.sparkplug.statements import STATEMENTS, Party, Statement

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "conformance.md"
REASONS = yaml.safe_load((Path(__file__).parent / "conformance_reasons.yaml").read_text())
SHOWN = 3  # tests named for one statement; a reader needs to find one, not all
HEAD = """\
# Conformance

Generated from the tests; `make docs` writes it anew.

Sparkplug 3.0 makes {total} identified statements. {proven} of them are held by a test that
fails when the statement is broken; for the other {unproven} the reason is given. Statements are
in our own words; the ids are the specification's. One statement of chapter 5 has no id: a host
that loses a server takes everything it learnt through it for stale. It is tested too.

| binds | statements | held by a test |
|---|---|---|
"""
NAMES = {
    Party.EDGE: "edge nodes",
    Party.HOST: "host applications",
    Party.PRIMARY: "primary hosts",
    Party.SERVER: "MQTT servers",
    Party.AWARE: "Sparkplug-aware MQTT servers",
}


class Proof(NamedTuple):
    """A test that names a statement."""

    file: str
    test: str


@cache
def _proofs() -> dict[str, list[Proof]]:
    found: dict[str, list[Proof]] = defaultdict(list)
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        tree = ast.parse(path.read_text())
        constants = _constants(tree)
        for test, call in _marks(tree.body):
            for key in _ids(call, constants):
                proof = Proof(path.relative_to(ROOT).as_posix(), test)
                if proof not in found[key]:
                    found[key].append(proof)
    return found


def _marks(body: list[ast.stmt]) -> Iterator[tuple[str, ast.Call]]:
    """(test, mark) for every `conforms` mark on a function, a class or what is assigned."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                marked: list[ast.AST] = list(node.decorator_list)
            case ast.ClassDef(name=name):
                marked = list(node.decorator_list)
                yield from _marks(node.body)
            case ast.Assign(targets=[ast.Name(id=name)]):
                marked = [node.value]
                name = "every test of it" if name == "pytestmark" else name
            case _:
                continue
        for call in (part for mark in marked for part in ast.walk(mark)):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "conforms":
                yield name, call


def _constants(tree: ast.Module) -> dict[str, list[str]]:
    """Tuples of texts that a file gives a name to, for `conforms(*NAME)`."""
    return {
        node.targets[0].id: [e.value for e in node.value.elts if isinstance(e, ast.Constant)]
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Tuple | ast.List)
    }


def _ids(call: ast.Call, constants: dict[str, list[str]]) -> Iterator[str]:
    for argument in call.args:
        match argument:
            case ast.Constant(value=str(key)):
                yield key
            case ast.Starred(value=ast.Name(id=name)):
                yield from constants[name]
            case _:
                raise AssertionError(f"{ast.unparse(call)}: ids are written out, or a tuple's name")


def _page(proofs: dict[str, list[Proof]]) -> str:
    proven = sum(key in proofs for key in STATEMENTS)
    parts = [
        HEAD.format(total=len(STATEMENTS), proven=proven, unproven=len(STATEMENTS) - proven),
        *(_count(party, proofs) for party in Party),
    ]
    for section, statements in groupby(STATEMENTS.values(), key=lambda s: s.section):
        parts.append(
            f"\n## {section}\n\n| statement | level | words | held by |\n|---|---|---|---|\n"
        )
        parts.extend(_row(statement, proofs) for statement in statements)
    return "".join(parts)


def _count(party: Party, proofs: dict[str, list[Proof]]) -> str:
    binding = [key for key, statement in STATEMENTS.items() if party in statement.who]
    return f"| {NAMES[party]} | {len(binding)} | {sum(key in proofs for key in binding)} |\n"


def _row(statement: Statement, proofs: dict[str, list[Proof]]) -> str:
    found = proofs.get(statement.id, [])
    held = ", ".join(f"[{test}](../../{file})" for file, test in found[:SHOWN])
    if len(found) > SHOWN:
        held += f" and {len(found) - SHOWN} more"
    held = held or REASONS.get(statement.id, "")
    return f"| `{statement.id}` | {statement.level} | {_escaped(statement.words)} | {held} |\n"


def _escaped(words: str) -> str:
    return (
        words.replace("|", "\\|").replace("*", "\\*").replace("{", "&#123;").replace("$", "&#36;")
    )


def test_marks_name_statements_that_exist() -> None:
    """An id in a `conforms` mark is one of the specification's."""
    assert {} == {key: where for key, where in _proofs().items() if key not in STATEMENTS}


def test_every_statement_has_a_test_or_a_reason() -> None:
    """Each statement is held by a test, or the page says why there is none."""
    assert [] == [key for key in STATEMENTS if key not in _proofs() and key not in REASONS]


def test_a_reason_is_given_only_where_there_is_no_test() -> None:
    """Reasons belong to statements that exist and that no test holds."""
    proofs = _proofs()
    assert [] == [key for key in REASONS if key not in STATEMENTS or key in proofs]


def test_the_page_is_what_the_marks_say() -> None:
    """The page is fresh."""
    page = _page(_proofs())
    if os.environ.get("UPDATE"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
