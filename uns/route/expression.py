"""Expressions: the little language behind `=` in a map, and of a tag's `calc`.

It is Python's expression syntax without its powers: arithmetic, comparison, `and`, `or`, `not`,
`a if b else c`, subscripts, literals, names, and the functions of uns/route/functions.py.
A name is looked up in the values that are handed in, dotted names too: `total.good` is the
value called "total.good", never an attribute of a Python object. There is no way to loop, to
define, to import, to read a clock, or to build something huge.

`None` in arithmetic or ordering gives `None`; so does division by zero. The text is checked and
compiled once: each operation becomes plain Python code that tests its operands for None, and
that code holds no names but ours.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from uns.errors import ProjectError
from uns.metric import Value
from uns.route.functions import FUNCTIONS, OPERATIONS
from uns.route.unit_words import InUnit, converted
from uns.units import Unit, UnitError, read

__all__ = [
    "Calc",
    "Expression",
    "ExpressionError",
    "compile_calc",
    "compile_expression",
    "is_expression",
]

_MAX_LENGTH: Final = 2_000  # characters; the longest sensible one seen had 180
_MAX_DEPTH: Final = 40
_KEPT: Final = 4096  # compiled texts; five thousand machines of a type have the same few
_Getter = Callable[[str], Any]


class ExpressionError(ProjectError):
    """An expression cannot be read or evaluated; `column` (from 1) is where in its text."""

    def __init__(self, message: str, *, column: int = 1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; `names` are the values it asks for, with the column of each.

    >>> compile_expression("= total.good + total.bad > 0").evaluate({"total.good": 3})
    >>> compile_expression("= coalesce(total.good, 0) + 1").evaluate({})
    1
    """

    text: str
    names: Mapping[str, int]
    _call: Callable[[_Getter], Any] = field(repr=False, compare=False)
    in_units: tuple[InUnit, ...] = ()  # whose conversions have to be among the values

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The result for `values`; a name that is not among them is None."""
        try:
            return self._call(values.get)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ExpressionError(f"`{self.text}` cannot be worked out: {error}") from error


@dataclass(frozen=True, slots=True)
class Calc:
    """A derived tag's formula over its sibling tags; `names` are theirs (`drive.temp`)."""

    text: str
    names: tuple[str, ...]
    _call: Callable[[_Getter], Any] = field(repr=False, compare=False)
    in_units: tuple[InUnit, ...] = ()  # whose conversions have to be among the values

    def evaluate(self, values: Mapping[str, Any]) -> Value:
        """The result; None where an input is None, or the result is no finite value."""
        try:
            result = self._call(values.get)
        except (ArithmeticError, TypeError, ValueError):
            return None  # said by the tag's quality: Bad
        if isinstance(result, float) and not math.isfinite(result):
            return None
        return result if isinstance(result, (bool, int, float, str)) else None


def is_expression(leaf: object) -> bool:
    """Whether a leaf of a map is an expression: a text that begins with `=`."""
    return isinstance(leaf, str) and leaf.startswith("=")


@lru_cache(_KEPT)
def compile_expression(text: str) -> Expression:
    """Compile a leaf, `=` included; raises ExpressionError with the column of the mistake."""
    translation = _translate(text, tag_prefix="tag.")
    call = _build(text, translation)
    return Expression(text, translation.names, call, tuple(translation.in_units))


@lru_cache(_KEPT)
def compile_calc(text: str) -> Calc:
    """Compile a tag's `calc`. `drive.temp` is the tag `drive/temp`; `tag('in-feed')` any tag.

    In `names` and in the values handed to `evaluate`, dots stand for the slashes.

    >>> compile_calc("100 * good / (good + bad)").evaluate({"good": 99, "bad": 1})
    99.0
    """
    translation = _translate(text, tag_prefix="")
    call = _build(text, translation)
    return Calc(text, tuple(translation.names), call, tuple(translation.in_units))


@dataclass(slots=True)
class _Translation:
    """A checked expression as Python code, and what was met on the way."""

    tag_prefix: str
    names: dict[str, int] = field(default_factory=dict)
    in_units: list[InUnit] = field(default_factory=list)
    temporaries: int = 0
    body: ast.expr = field(default_factory=lambda: ast.Constant(None))

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"


def _translate(text: str, *, tag_prefix: str) -> _Translation:
    source = text.replace("\n", " ").replace("\t", " ")
    start = len(source) - len(source.lstrip("= "))
    body = source[start:].rstrip()
    if not body:
        raise ExpressionError("there is nothing after the `=`", column=len(text) or 1)
    if len(body) > _MAX_LENGTH:
        raise ExpressionError(f"an expression may have at most {_MAX_LENGTH} characters")
    translation = _Translation(tag_prefix)
    try:
        translation.body = _expression(ast.parse(body, mode="eval").body, translation, _MAX_DEPTH)
    except SyntaxError as error:
        raise ExpressionError(
            f"`{text}` is not an expression: {error.msg}", column=start + (error.offset or 1)
        ) from error
    except (MemoryError, RecursionError, ValueError) as error:
        raise ExpressionError(f"the expression cannot be read: {error}") from error
    except _NotAllowedError as error:
        shown = len(body.encode()[: error.node.col_offset].decode(errors="ignore"))
        raise ExpressionError(error.text, column=start + shown + 1, hint=error.hint) from error
    translation.names = {name: start + at + 1 for name, at in translation.names.items()}
    translation.in_units = [
        one._replace(column=start + one.column + 1) for one in translation.in_units
    ]
    return translation


def _build(text: str, translation: _Translation) -> Callable[[_Getter], Any]:
    argument = ast.arguments([], [ast.arg("get")], None, [], [], None, [])
    lambda_ = ast.fix_missing_locations(ast.Expression(ast.Lambda(argument, translation.body)))
    code = compile(lambda_, f"<expression {text[:40]}>", "eval")
    call: Callable[[_Getter], Any] = builtins.eval(code, dict(_GLOBALS))  # noqa: S307 - built above, node by node, from a closed table
    return call


_GLOBALS: Final[dict[str, Any]] = {
    "__builtins__": {},
    **OPERATIONS,
    **{f"f_{name}": function.call for name, function in FUNCTIONS.items()},
    "_converted": converted,
}


class _NotAllowedError(Exception):
    """A piece of Python that is no part of the language."""

    def __init__(self, node: ast.expr, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.node, self.text, self.hint = node, text, hint


def _expression(node: ast.expr, into: _Translation, depth: int) -> ast.expr:
    if not depth:
        raise _NotAllowedError(node, f"an expression may nest at most {_MAX_DEPTH} deep")
    translate = _TRANSLATORS.get(type(node))
    if translate is None:
        what = _UNWANTED.get(type(node), type(node).__name__)
        raise _NotAllowedError(node, f"{what} is no part of the expression language")
    return translate(node, into, depth - 1)


def _constant(node: ast.Constant, _into: _Translation, _depth: int) -> ast.expr:
    if node.value is None or isinstance(node.value, (bool, int, float, str)):
        return ast.Constant(node.value)
    raise _NotAllowedError(node, f"{type(node.value).__name__} is no kind of value here")


def _name(node: ast.expr, into: _Translation, _depth: int) -> ast.expr:
    levels: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        levels.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        raise _NotAllowedError(
            node,
            f"`.{levels[-1]}` must follow a name",
            hint=f"write ['{levels[-1]}'] to look into a value",
        )
    if inner.id in _WORDS:
        return ast.Constant(_WORDS[inner.id])
    return _value_of(".".join((inner.id, *reversed(levels))), node, into)


_WORDS: Final = {"true": True, "false": False, "null": None}  # as YAML and JSON write them


def _value_of(name: str, node: ast.expr, into: _Translation) -> ast.expr:
    into.names.setdefault(name, node.col_offset)
    return _call_of("get", ast.Constant(name))


def _call(node: ast.Call, into: _Translation, depth: int) -> ast.expr:
    if not isinstance(node.func, ast.Name) or node.keywords:
        raise _NotAllowedError(node, "only the functions of the language can be called, by place")
    name = node.func.id
    if name in _SPECIAL:
        return _SPECIAL[name](node, into, depth)
    if name not in FUNCTIONS:
        known = ", ".join([*FUNCTIONS, *_SPECIAL])
        raise _NotAllowedError(node, f"there is no function `{name}`", hint=f"one of {known}")
    function = FUNCTIONS[name]
    if not function.least <= len(node.args) <= function.most:
        wanted = f"{function.least} to {function.most}" if function.most > 1 else "one"
        raise _NotAllowedError(node, f"{name}() takes {wanted} values, not {len(node.args)}")
    return _call_of(f"f_{name}", *(_expression(part, into, depth) for part in node.args))


def _tag(node: ast.Call, into: _Translation, _depth: int) -> ast.expr:
    name = node.args[0] if len(node.args) == 1 else None
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        raise _NotAllowedError(node, "tag() takes one name in quotes", hint="tag('drive/temp')")
    return _value_of(into.tag_prefix + name.value.replace("/", "."), node, into)


def _in_unit(node: ast.Call, into: _Translation, depth: int) -> ast.expr:
    """`_converted(get('pressure'), get('pressure in kPa'))`: see uns/route/unit_words.py."""
    unit = _unit(node)
    value = _expression(node.args[0], into, depth)
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name)) or (
        value.func.id != "get"
    ):
        raise _NotAllowedError(
            node.args[0],
            "in_unit() takes a tag or a total, by its name",
            hint="a sum or product is in the units of its parts: tell those in a unit",
        )
    name = ast.literal_eval(value.args[0])
    asked = InUnit(name, unit, node.col_offset)
    into.in_units.append(asked)
    return _call_of("_converted", value, _call_of("get", ast.Constant(asked.key)))


def _quantity(node: ast.Call, into: _Translation, depth: int) -> ast.expr:
    """Only a word for `uns check`: the number itself, whose unit somebody says."""
    _unit(node)
    return _expression(node.args[0], into, depth)


def _unit(node: ast.Call) -> Unit:
    """The unit that stands last in in_unit() and quantity()."""
    name = ast.unparse(node.func)
    unit = node.args[1] if len(node.args) == 2 else None  # noqa: PLR2004 - a value and a unit
    if not (isinstance(unit, ast.Constant) and isinstance(unit.value, str)):
        raise _NotAllowedError(
            node, f"{name}() takes a value and a unit in quotes", hint=f"{name}(…, 'kPa')"
        )
    try:
        return read(unit.value)
    except UnitError as error:
        raise _NotAllowedError(unit, str(error), error.hint) from None


_SPECIAL: Final[Mapping[str, Callable[[ast.Call, _Translation, int], ast.expr]]] = {
    "in_unit": _in_unit,
    "quantity": _quantity,
    "tag": _tag,
}


def _binary(node: ast.BinOp, into: _Translation, depth: int) -> ast.expr:
    left, right = _expression(node.left, into, depth), _expression(node.right, into, depth)
    operation = _GUARDED_OPERATIONS.get(type(node.op))
    if operation:
        return _call_of(operation, left, right)
    if not isinstance(node.op, _INLINE_OPERATIONS):
        raise _NotAllowedError(node, f"{type(node.op).__name__} is no operation here")
    is_division = isinstance(node.op, (ast.Div, ast.FloorDiv))
    return _unless_null(
        left, right, lambda a, b: ast.BinOp(a, node.op, b), into, refuse_zero=is_division
    )


_GUARDED_OPERATIONS: Final[Mapping[type[ast.operator], str]] = {
    ast.Mult: "_multiply",
    ast.Mod: "_modulo",
    ast.Pow: "_power",
}
_INLINE_OPERATIONS: Final = (
    *(ast.Add, ast.Sub, ast.Div, ast.FloorDiv),
    *(ast.BitAnd, ast.BitOr, ast.BitXor, ast.RShift),
)


def _unless_null(
    left: ast.expr,
    right: ast.expr,
    combine: Callable[[ast.expr, ast.expr], ast.expr],
    into: _Translation,
    *,
    refuse_zero: bool = False,
) -> ast.expr:
    """`None if (a := left) is None or (b := right) is None else a ∘ b`, as code."""
    a, b = into.temporary(), into.temporary()
    second: ast.expr = ast.NamedExpr(ast.Name(b, ast.Store()), right)
    test = ast.BoolOp(
        ast.Or(),
        [
            _is_null(ast.NamedExpr(ast.Name(a, ast.Store()), left)),
            ast.UnaryOp(ast.Not(), second) if refuse_zero else _is_null(second),
        ],
    )
    result = combine(ast.Name(a, ast.Load()), ast.Name(b, ast.Load()))
    return ast.IfExp(test, ast.Constant(None), result)


def _is_null(value: ast.expr) -> ast.expr:
    return ast.Compare(value, [ast.Is()], [ast.Constant(None)])


def _unary(node: ast.UnaryOp, into: _Translation, depth: int) -> ast.expr:
    operand = _expression(node.operand, into, depth)
    if isinstance(node.op, ast.Not):
        return ast.UnaryOp(ast.Not(), operand)
    if isinstance(node.op, ast.USub):
        return _unless_null(ast.Constant(0), operand, lambda a, b: ast.BinOp(a, ast.Sub(), b), into)
    if isinstance(node.op, ast.UAdd):
        return operand
    raise _NotAllowedError(node, "~ is no operation here")


def _compare(node: ast.Compare, into: _Translation, depth: int) -> ast.expr:
    pairs: list[ast.expr] = []
    left = _expression(node.left, into, depth)
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, (ast.Is, ast.IsNot)) and not _is_none(right_node):
            raise _NotAllowedError(node, "`is` may only be followed by None", hint="use ==")
        held = into.temporary()
        right = ast.NamedExpr(ast.Name(held, ast.Store()), _expression(right_node, into, depth))
        pairs.append(_compared(left, operator, right, into))
        left = ast.Name(held, ast.Load())
    return pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs)


def _compared(left: ast.expr, operator: ast.cmpop, right: ast.expr, into: _Translation) -> ast.expr:
    if isinstance(operator, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)):
        return ast.Compare(left, [operator], [right])
    return _unless_null(left, right, lambda a, b: ast.Compare(a, [operator], [b]), into)


def _is_none(node: ast.expr) -> bool:
    is_word = isinstance(node, ast.Name) and node.id == "null"
    return is_word or (isinstance(node, ast.Constant) and node.value is None)


def _boolean(node: ast.BoolOp, into: _Translation, depth: int) -> ast.expr:
    return ast.BoolOp(node.op, [_expression(part, into, depth) for part in node.values])


def _choice(node: ast.IfExp, into: _Translation, depth: int) -> ast.expr:
    test, body, other = (
        _expression(part, into, depth) for part in (node.test, node.body, node.orelse)
    )
    return ast.IfExp(test, body, other)


def _subscript(node: ast.Subscript, into: _Translation, depth: int) -> ast.expr:
    holder = _expression(node.value, into, depth)
    if not isinstance(node.slice, ast.Slice):
        return _call_of("_item", holder, _expression(node.slice, into, depth))
    if node.slice.step:
        raise _NotAllowedError(node.slice.step, "[from:to] has no step")
    ends = (
        _expression(end, into, depth) if end else ast.Constant(None)
        for end in (node.slice.lower, node.slice.upper)
    )
    return _call_of("_part", holder, *ends)


def _list(node: ast.List | ast.Tuple, into: _Translation, depth: int) -> ast.expr:
    return ast.List([_expression(part, into, depth) for part in node.elts], ast.Load())


def _dict(node: ast.Dict, into: _Translation, depth: int) -> ast.expr:
    keys: list[ast.expr | None] = []
    for key in node.keys:
        if key is None:
            raise _NotAllowedError(node, "** is no part of a mapping here")
        keys.append(_expression(key, into, depth))
    return ast.Dict(keys, [_expression(value, into, depth) for value in node.values])


def _call_of(name: str, *values: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(values), [])


_TRANSLATORS: Final[Mapping[type[ast.expr], Callable[[Any, _Translation, int], ast.expr]]] = {
    ast.Attribute: _name,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Call: _call,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Dict: _dict,
    ast.IfExp: _choice,
    ast.List: _list,
    ast.Name: _name,
    ast.Subscript: _subscript,
    ast.Tuple: _list,
    ast.UnaryOp: _unary,
}
_UNWANTED: Final[Mapping[type[ast.expr], str]] = {
    ast.Lambda: "a lambda",
    ast.ListComp: "a loop",
    ast.SetComp: "a loop",
    ast.DictComp: "a loop",
    ast.GeneratorExp: "a loop",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "an f-string",
    ast.Starred: "a `*`",
    ast.Set: "a set",
}
