"""Derived tags: their formulas name other tags of the machine, and those must be there.

In a part, a name is looked up beside the tag first: the formula of `drive/power` may say
`current` for `drive/current`. Such names are written out in full when the type is composed, so
that whoever evaluates a formula needs to know only the machine.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from uns.project.draft import Draft, written_at
from uns.project.findings import Findings
from uns.project.nearest import suggestion
from uns.project.source import Written
from uns.route.expression import ExpressionError, compile_calc

__all__ = ["check_calc", "check_circles", "in_part"]

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")


def in_part(text: str, home: str, tags: Mapping[str, object]) -> str:
    """The formula with each name that is a tag of the part at `home` written out in full.

    >>> in_part("current * 2 + min(speed, 1)", "drive", {"drive/current": 1, "speed": 2})
    'drive.current * 2 + min(speed, 1)'
    """
    bare = text.strip().lstrip("= ")
    try:
        body = ast.parse(bare, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return text  # check_calc says why
    pieces = bare.encode()
    for start, end, name in sorted(_names(body), reverse=True):
        full = f"{home}/{name.replace('.', '/')}"
        if full not in tags:
            continue
        dotted = full.replace("/", ".")
        written = dotted if _DOTTED.match(dotted) else f"tag({dotted!r})"
        pieces = pieces[:start] + written.encode() + pieces[end:]
    return pieces.decode()


def _names(body: ast.Expression) -> Iterable[tuple[int, int, str]]:
    """Each name of a one-line formula: its first and last byte, and the name."""
    called = {id(node.func) for node in ast.walk(body) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(body) if isinstance(node, ast.Attribute)}
    for node in ast.walk(body):
        if id(node) in called or id(node) in inner:
            continue
        if isinstance(node, ast.Name | ast.Attribute):
            name = ast.unparse(node)
        elif _is_tag_call(node):
            name = node.args[0].value  # type: ignore[attr-defined]  # _is_tag_call looked
        else:
            continue
        if node.lineno == node.end_lineno == 1:  # type: ignore[attr-defined]  # expressions have
            yield node.col_offset, node.end_col_offset, name  # type: ignore[attr-defined]


def _is_tag_call(node: ast.AST) -> bool:
    """`tag('in-feed')`: how a name that is no identifier is written."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "tag"
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    )


def check_circles(drafts: Iterable[Draft], findings: Findings) -> None:
    """Report formulas that are made from each other."""
    formulas = {made.name: made for made in drafts if made.fixed["calc"]}
    inputs = {name: [n for n in _inputs(made) if n in formulas] for name, made in formulas.items()}
    while circle := _find_circle(inputs):
        at = written_at(formulas[circle[0]].layers, "calc")
        shown = " → ".join(circle)
        findings.add("UNS207", f"formulas go round in a circle: {shown}", at)
        for name in circle:
            inputs.pop(name, None)


def _find_circle(inputs: Mapping[str, list[str]]) -> list[str]:
    try:
        TopologicalSorter(inputs).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []


def _inputs(made: Draft) -> list[str]:
    try:
        names = compile_calc(made.fixed["calc"]).names
    except ExpressionError:
        return []  # check_calc said so
    return [name.replace(".", "/") for name in names]


def check_calc(made: Draft, known: Collection[str] | None, findings: Findings) -> None:
    """Report a formula that cannot be read, or names a tag that is not known, if any are given.

    `known` are tags as formulas name them: `drive.temp`.
    """
    name, text, at = made.name, made.fixed["calc"], written_at(made.layers, "calc")
    try:
        formula = compile_calc(text)
    except ExpressionError as error:
        findings.add("UNS401", str(error), at.inside(error.column), hint=error.hint)
        return
    if known is None:
        return
    for wanted in formula.names:
        if wanted not in known:
            findings.add(
                "UNS402",
                f"`{name}` is made from `{wanted}`, and there is no such tag",
                _inside(at, made.words["calc"], wanted),
                hint=suggestion(wanted, known),
            )


def _inside(at: Written, text: str, name: str) -> Written:
    """The place of `name` in the formula as it was written."""
    found = re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text)
    return at.inside(found.start() + 1, len(name)) if found else at
