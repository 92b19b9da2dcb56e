"""Forms: what may be typed for a word that is read by a function of ours, as JSON Schema.

The models say what a word is once it has been read: a duration is a number. What people type,
`200ms`, only its reader knows. Each reader has its form here; a new one without is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from uns.metric import DataType
from uns.project import datatypes
from uns.project.states import PACKML
from uns.units.table import TABLE

__all__ = ["ONE_NAME", "SHARED", "JsonSchema", "either", "form_of"]

JsonSchema: TypeAlias = dict[str, Any]

_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # one level of the tree: uns/hierarchy.py
_AMOUNT = r"[0-9]+(?:\.[0-9]+)?"


def _text(pattern: str, otherwise: str) -> JsonSchema:
    """A text of a form, and what editors say of one that has another."""
    return {"type": "string", "pattern": pattern, "patternErrorMessage": otherwise}


ONE_NAME = _text(f"^{_NAME}$", "a name is letters, digits, `_` and `-`, at most 64")
_TAG = _text(f"^{_NAME}(?:[/.]{_NAME})*$", "a tag is names with `/` or `.` between them")
_EVERY_OR_TAG = _text(
    rf"^(?:\*|{_NAME}(?:[/.]{_NAME})*)$", "a tag is names with `/` or `.` between them; or `*`"
)
_DURATION = _text(rf"^{_AMOUNT}\s*(?:ms|s|min|m|h|d)$", "a duration: `200ms`, `1s`, `5m`, `1h`")
_SIZE = _text(rf"^{_AMOUNT}\s*(?:B|[kKMGT]B|[KMGT]iB)$", "a size: `256MB`, `2GB`")
_DEADBAND: JsonSchema = {
    **_text(rf"^{_AMOUNT}\s*%$", "a number in the tag's unit, or a percentage: `1%`"),
    "type": ["number", "string"],
    "minimum": 0,
}
_FILTER = _text(
    r"^(?:#|(?:\+|[^+#/]*)(?:/(?:\+|[^+#/]*))*(?:/#)?)$", "`+` stands alone, `#` alone and last"
)
_HOST_ID = _text("^[^/+#]*$", "`/`, `+` and `#` belong to topics")
_DAY = _text("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "year, month and day: `2026-01-31`")
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_FLAG = {"type": "boolean"}
_NULL = {"type": "null"}


def either(*forms: JsonSchema) -> JsonSchema:
    """Any of these; mappings and lists are told apart first, so that a mistake has its own place.

    With `anyOf` a validator can only say that nothing fits, not which key is wrong.
    """
    kinds = [_kind(form) for form in forms]
    plain = [form for form, kind in zip(forms, kinds, strict=True) if not kind]
    below = [(form, kind) for form, kind in zip(forms, kinds, strict=True) if kind]
    if not below and not _can_join(plain):
        return {"anyOf": list(forms)}
    types = sorted({name for form in plain for name in _types(form)} | {kind for _, kind in below})
    made: JsonSchema = {"type": types}
    for form in plain:
        made.update({key: value for key, value in form.items() if key != "type"})
    if not below:
        return made
    tests = [{"if": {"type": kind}, "then": form} for form, kind in below]
    return {**made, **tests[0]} if len(tests) == 1 else {**made, "allOf": tests}


def form_of(reader: Callable[..., Any], read: JsonSchema) -> JsonSchema:
    """What may be typed where `reader` makes a `read` of it; raises LookupError if unknown."""
    name = getattr(reader, "__qualname__", "")  # a limit of pydantic's own has none
    if name in _FORMS:
        return _FORMS[name](read)
    if not name or "." in name:  # a method of a driver's model judges a text, and reads nothing
        return read
    raise LookupError(f"uns/export/forms.py does not say what may be typed for `{name}`")


def _kind(form: JsonSchema) -> str:
    """`object` or `array` where the form is one of the two; a reference is to a mapping."""
    if "$ref" in form:
        return "object"
    return form["type"] if form.get("type") in ("object", "array") else ""


def _can_join(forms: list[JsonSchema]) -> bool:
    """Whether plain forms can share one mapping: each has a type, and limits of its own."""
    words = [word for form in forms for word in form if word != "type"]
    return all("type" in form for form in forms) and len(words) == len(set(words))


def _types(form: JsonSchema) -> list[str]:
    found = form["type"]
    return [found] if isinstance(found, str) else list(found)


def _names(read: JsonSchema) -> JsonSchema:
    return either(_TEXT, read)


def _without_null(form: JsonSchema) -> JsonSchema:
    """The same where nothing at all is no answer."""
    if isinstance(form.get("type"), list):
        return {**form, "type": [name for name in form["type"] if name != "null"]}
    return form


def _asset(read: JsonSchema) -> JsonSchema:
    """One thing by its number or in full, or a list of them."""
    one = either(_TEXT, {"type": "integer"}, read["items"])
    return either(_TEXT, {"type": "integer"}, _NULL, read["items"], {"type": "array", "items": one})


def _series() -> JsonSchema:
    one = {"type": ["string", "integer"]}
    return either(_TEXT, {"type": "integer"}, {"type": "array", "items": one})


def _states() -> JsonSchema:
    names = {
        "type": "object",
        "additionalProperties": _TEXT,
        "propertyNames": {"pattern": "^-?[0-9]+$"},
    }
    told = ", ".join(f"{number} {name}" for number, name in PACKML.items())
    model = {"const": "packml", "description": f"ISA-TR88.00.02: {told}."}
    return {"if": {"type": "object"}, "then": names, "else": model}


def _datatype() -> JsonSchema:
    """Every name for completion, and each of them in capitals or not."""
    native = [kind.label for kind in DataType if _is_read(kind.label)]
    names = [*native, *(name for name in datatypes.ALIASES if name not in native)]
    every = "|".join(_in_any_case(name) for name in names)
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": f"^(?:{every})$"}]}


def _is_read(label: str) -> bool:
    try:
        datatypes.read_datatype(label)
    except ValueError:
        return False
    return True


def _in_any_case(name: str) -> str:
    return "".join(f"[{sign.upper()}{sign.lower()}]" if sign.isalpha() else sign for sign in name)


def _unit() -> JsonSchema:
    """The table for completion; that another text is UCUM too, `uns check` knows."""
    told = [f"{one.name} ({one.unece})" if one.unece else one.name for one in TABLE]
    known = {"enum": [one.code for one in TABLE], "enumDescriptions": told}
    return {"anyOf": [known, {"type": "string", "minLength": 1}]}


def _always(form: JsonSchema) -> Callable[[JsonSchema], JsonSchema]:
    return lambda _: form


#: Long forms that stand once, among the definitions.
SHARED: Mapping[str, JsonSchema] = {"DataTypeName": _datatype(), "UnitCode": _unit()}

#: The reader's name → what may be typed for what it makes.
_FORMS: Mapping[str, Callable[[JsonSchema], JsonSchema]] = {
    "_name": _always(ONE_NAME),
    "tag_name": _always(_TAG),
    "_bound_name": _always(_EVERY_OR_TAG),
    "_scalar": _always({"type": ["string", "number", "boolean"]}),
    "_names": _names,
    "names_or_none": lambda read: either(_TEXT, _NULL, read),
    "or_nothing": lambda read: either(_NULL, read),
    "mapping_or.<locals>.read": lambda read: either(_FLAG, _without_null(read["then"])),
    "read_address": lambda read: either(_TEXT, {"type": "integer"}, _NULL, read),
    "read_all_tags": lambda read: either(_TEXT, _NULL, read),
    "_topic_filter": _always(_FILTER),
    "read_duration": _always(_DURATION),
    "read_series": _always(_series()),
    "read_deadband": _always(_DEADBAND),
    "read_band": lambda read: either(_DEADBAND, read),
    "read_readback": _always(either(_FLAG, _DURATION)),
    "read_size": _always(_SIZE),
    "read_datatype": _always(SHARED["DataTypeName"]),
    "read_states": _always(_states()),
    "read_unit": _always(SHARED["UnitCode"]),
    "_targets": lambda read: either(_TEXT, _NULL, read),
    "_date": _always(_DAY),
    "_assets": _asset,
    "read_relation": lambda read: either(_TEXT, read),
    "_host_id": _always(_HOST_ID),
    "_renamed": lambda read: either(_TEXT, _NULL, read),
}
