"""Rules of what stands inside metrics: property sets, data sets, templates and their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from uns.metric import DataType
from uns.sparkplug.datatypes import BASIC
from uns.sparkplug.monitor.message_rules import COMMANDS, DBIRTH, NBIRTH
from uns.sparkplug.monitor.metric_rules import BIRTHS, DATA, value_problem
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Part, Sight, is_miswired, text_in
from uns.sparkplug.names import MessageType
from uns.sparkplug.properties import QUALITY

__all__ = ["PART_RULES"]

_TYPE, _NUM_OF_COLUMNS, _TYPES = 1, 1, 3  # field numbers (specification §6.4)
_PARAMETER_TYPE = 2
_BASIC = {int(one): one for one in BASIC}
_OF_PROPERTIES = _BASIC | {
    int(one): one for one in (DataType.PROPERTY_SET, DataType.PROPERTY_SET_LIST)
}
_QUALITIES = (0, 192, 500)  # tck-id-payloads-propertyset-quality-value-value: bad, good, stale

PartJudge = Callable[[Part, Sight], str | None]
Inner = Callable[[Any], str | None]


def _any(parts: Iterable[Part], judge: PartJudge, sight: Sight) -> str | None:
    """The first part that breaks the rule, or whether any kept it."""
    said: str | None = None
    for part in parts:
        one = judge(part, sight)
        if one:
            return f"{part.label}: {one}"
        if one is not None:
            said = KEPT
    return said


def _sets(judge: PartJudge) -> Callable[[Sight], str | None]:
    return lambda sight: _any(sight.sets, judge, sight)


def _tables(judge: PartJudge) -> Callable[[Sight], str | None]:
    return lambda sight: _any(sight.tables, judge, sight)


def _templates(judge: PartJudge) -> Callable[[Sight], str | None]:
    return lambda sight: _any(sight.templates, judge, sight)


def _inside(messages: Iterable[Any], judge: Inner) -> str | None:
    """The first of several messages that breaks a rule, by its place from 1."""
    said: str | None = None
    for place, message in enumerate(messages, 1):
        one = judge(message)
        if one:
            return f"number {place}: {one}"
        if one is not None:
            said = KEPT
    return said


# properties ---------------------------------------------------------------------------------


def _as_many(part: Part, _: Sight) -> str | None:
    keys, values = len(part.message.keys), len(part.message.values)
    return KEPT if keys == values else f"{keys} keys and {values} values"


def _property_typed(part: Part, _: Sight) -> str | None:
    return _inside(part.message.values, lambda one: KEPT if one.HasField("type") else "no type")


def _property_type_u32(part: Part, _: Sight) -> str | None:
    return _inside(part.message.values, lambda one: _u32(one, "type", _TYPE))


def _u32(message: Any, field: str, number: int) -> str | None:
    if message.HasField(field):
        return KEPT
    return "its type is no number" if is_miswired(message, number) else None


def _property_type_known(part: Part, _: Sight) -> str | None:
    return _inside(part.message.values, _property_fits)


def _property_fits(message: Any) -> str | None:
    if not message.HasField("type"):
        return None
    datatype = _OF_PROPERTIES.get(message.type)
    if datatype is None:
        return f"type {message.type}"
    field = message.WhichOneof("value")
    if field is None or field in ("propertyset_value", "propertysets_value"):
        return KEPT
    return value_problem(message, datatype, field)


def _quality(test: Inner) -> PartJudge:
    def judge(part: Part, _: Sight) -> str | None:
        found = [
            v for k, v in zip(part.message.keys, part.message.values, strict=False) if k == QUALITY
        ]
        return _inside(found, test)

    return judge


def _quality_type(message: Any) -> str | None:
    """Int32, as the specification says; the TCK asks for Int64 by mistake."""
    if not message.HasField("type"):
        return None
    return KEPT if message.type == DataType.INT32 else f"type {message.type}"


def _quality_value(message: Any) -> str | None:
    field = message.WhichOneof("value")
    if field != "int_value":
        return f"a value in {field}"
    return KEPT if message.int_value in _QUALITIES else f"{message.int_value}"


# data sets ----------------------------------------------------------------------------------


def _column_count(part: Part, _: Sight) -> str | None:
    if not part.message.HasField("num_of_columns"):
        is_wrong = is_miswired(part.message, _NUM_OF_COLUMNS)
        return "num_of_columns is no number" if is_wrong else "no num_of_columns"
    count, columns = part.message.num_of_columns, len(part.message.columns)
    return KEPT if count == columns else f"num_of_columns {count}, and {columns} columns"


def _headers(part: Part, _: Sight) -> str | None:
    columns, types = len(part.message.columns), len(part.message.types)
    return KEPT if columns == types else f"{columns} column names and {types} types"


def _types_there(part: Part, _: Sight) -> str | None:
    return KEPT if part.message.types or not part.message.columns else "no types"


def _types_u32(part: Part, _: Sight) -> str | None:
    if is_miswired(part.message, _TYPES):
        return "types are no numbers"
    return KEPT if part.message.types else None


def _types_basic(part: Part, _: Sight) -> str | None:
    wrong = next((code for code in part.message.types if code not in _BASIC), None)
    return KEPT if wrong is None else f"type {wrong}"


def _cells(part: Part, _: Sight) -> str | None:
    types = [_BASIC.get(code) for code in part.message.types]
    return _inside(part.message.rows, lambda row: _row(row.elements, types))


def _row(elements: Any, types: list[DataType | None]) -> str | None:
    if len(elements) != len(types):
        return f"a row of {len(elements)} cells in {len(types)} columns"
    for cell, datatype in zip(elements, types, strict=True):
        field = cell.WhichOneof("value")
        if field is None:
            return "a cell without a value"
        problem = value_problem(cell, datatype, field) if datatype else ""
        if problem:
            return f"a cell: {problem}"
    return KEPT


# templates ----------------------------------------------------------------------------------


def _is_definition(part: Part) -> bool:
    """What it says it is, or seems to be where it says nothing."""
    if part.message.HasField("is_definition"):
        return bool(part.message.is_definition)
    return not part.message.template_ref


def _said(part: Part, _: Sight) -> str | None:
    return KEPT if part.message.HasField("is_definition") else "no is_definition"


def _definition(judge: Inner) -> PartJudge:
    return lambda part, _: judge(part.message) if _is_definition(part) else None


def _instance(judge: Inner) -> PartJudge:
    return lambda part, _: None if _is_definition(part) else judge(part.message)


def _says(is_definition: bool) -> Inner:  # noqa: FBT001 - the value that should be there
    def judge(message: Any) -> str | None:
        if not message.HasField("is_definition"):
            return "no is_definition"
        return KEPT if message.is_definition is is_definition else "the opposite"

    return judge


def _no_reference(message: Any) -> str | None:
    """Tahu writes an empty reference where there is none; empty names nothing."""
    return f"template_ref `{message.template_ref}`" if message.template_ref else KEPT


def _reference(message: Any) -> str | None:
    if not message.HasField("template_ref") or not message.template_ref:
        return "no template_ref"
    return KEPT if text_in(message.template_ref) else "a template_ref that is not UTF-8"


def _version(part: Part, _: Sight) -> str | None:
    if not part.message.HasField("version"):
        return None
    return KEPT if text_in(part.message.version) is not None else "a version that is not UTF-8"


def _nbirth_only(part: Part, sight: Sight) -> str | None:
    if not _is_definition(part) or part.is_member:
        return None
    return KEPT if sight.kind is NBIRTH else f"a definition in {sight.kind}"


def _parameters(judge: Inner) -> PartJudge:
    return lambda part, _: _inside(part.message.parameters, judge)


def _parameter_named(message: Any) -> str | None:
    return KEPT if message.HasField("name") and message.name else "no name"


def _parameter_text(message: Any) -> str | None:
    if not message.HasField("name"):
        return None
    return KEPT if text_in(message.name) is not None else "a name that is not UTF-8"


def _parameter_known(message: Any) -> str | None:
    if not message.HasField("type"):
        return None
    return KEPT if message.type in _BASIC else f"type {message.type}"


def _parameter_value(message: Any) -> str | None:
    field, datatype = message.WhichOneof("value"), _BASIC.get(message.type)
    if field is None:
        return None
    return value_problem(message, datatype, field) if datatype else KEPT


def _may(test: Callable[[Part], bool]) -> PartJudge:
    """What the specification allows: seen, or not."""
    return lambda part, _: KEPT if test(part) else None


_T = "payloads-template"
_DEFAULTS = tck(f"{_T}-definition-parameters-default")
_EDGE = BIRTHS + DATA
_ALL = _EDGE + COMMANDS
_TABLE: tuple[
    tuple[tuple[MessageType, ...], tuple[str, ...], str, Callable[[Sight], str | None], str], ...
] = (
    (
        _EDGE,
        tck("payloads-propertyset-keys-array-size", "payloads-propertyset-values-array-size"),
        "as many property keys as values",
        _sets(_as_many),
        "add a value for each key",
    ),
    (
        BIRTHS,
        tck("payloads-metric-propertyvalue-type-req"),
        "a type on each property",
        _sets(_property_typed),
        "set PropertyValue.type in births",
    ),
    (
        _EDGE,
        tck("payloads-metric-propertyvalue-type-type"),
        "a property's type as an unsigned number",
        _sets(_property_type_u32),
        "encode the type as uint32",
    ),
    (
        _EDGE,
        tck("payloads-metric-propertyvalue-type-value"),
        "a property of a basic type (1…14), PropertySet or PropertySetList",
        _sets(_property_type_known),
        "use a basic type, and the value field that belongs to it",
    ),
    (
        _EDGE,
        tck("payloads-propertyset-quality-value-type"),
        "Quality as Int32 (3)",
        _sets(_quality(_quality_type)),
        "type the property Quality Int32",
    ),
    (
        _EDGE,
        tck("payloads-propertyset-quality-value-value"),
        "Quality 0, 192 or 500 in int_value",
        _sets(_quality(_quality_value)),
        "map other qualities onto bad, good and stale",
    ),
    (
        _EDGE,
        tck("payloads-dataset-column-size"),
        "num_of_columns, the number of columns",
        _tables(_column_count),
        "set DataSet.num_of_columns",
    ),
    (
        _EDGE,
        tck("payloads-dataset-column-num-headers", "payloads-dataset-types-num"),
        "as many column names as types",
        _tables(_headers),
        "give each column a name and a type",
    ),
    (
        _EDGE,
        tck("payloads-dataset-parameter-type-req"),
        "the list of types",
        _tables(_types_there),
        "say the types in every DataSet, also in data",
    ),
    (
        _EDGE,
        tck("payloads-dataset-types-def", "payloads-dataset-types-type"),
        "types as unsigned numbers",
        _tables(_types_u32),
        "encode types as a list of uint32",
    ),
    (
        _EDGE,
        tck("payloads-dataset-types-value"),
        "columns of basic types (1…14)",
        _tables(_types_basic),
        "use basic types in data sets",
    ),
    (
        _EDGE,
        tck(f"{_T}-dataset-value"),
        "a value of its column's type in each cell",
        _tables(_cells),
        "fill every cell; a DataSet has no null",
    ),
    (
        _EDGE,
        tck(f"{_T}-is-definition"),
        "is_definition, said explicitly",
        _templates(_said),
        "set Template.is_definition, also where it is false",
    ),
    (
        (NBIRTH,),
        tck(f"{_T}-definition-is-definition", f"{_T}-is-definition-definition"),
        "is_definition true on a definition",
        _templates(_definition(_says(True))),
        "set Template.is_definition",
    ),
    (
        _EDGE,
        tck(f"{_T}-instance-is-definition", f"{_T}-is-definition-instance"),
        "is_definition false on an instance",
        _templates(_instance(_says(False))),
        "set Template.is_definition explicitly to false",
    ),
    (
        _EDGE,
        tck(f"{_T}-definition-ref", f"{_T}-ref-definition"),
        "no template_ref on a definition",
        _templates(_definition(_no_reference)),
        "leave template_ref out of definitions",
    ),
    (
        _EDGE,
        tck(f"{_T}-instance-ref", f"{_T}-ref-instance"),
        "template_ref, the name of the definition's metric",
        _templates(_instance(_reference)),
        "name the definition in template_ref",
    ),
    (
        _EDGE,
        tck(f"{_T}-version"),
        "a version of UTF-8 text",
        _templates(_version),
        "write the version in UTF-8",
    ),
    (
        _EDGE,
        tck(f"{_T}-definition-nbirth-only"),
        "definitions in NBIRTH and nowhere else",
        _templates(_nbirth_only),
        "move the definition to the NBIRTH",
    ),
    (
        _EDGE,
        tck(f"{_T}-parameter-name-required"),
        "a name on each parameter",
        _templates(_parameters(_parameter_named)),
        "name the parameters",
    ),
    (
        _EDGE,
        tck(f"{_T}-parameter-name-type"),
        "parameter names of UTF-8 text",
        _templates(_parameters(_parameter_text)),
        "write names in UTF-8",
    ),
    (
        _EDGE,
        tck(f"{_T}-parameter-value-type"),
        "a parameter's type as an unsigned number",
        _templates(_parameters(lambda one: _u32(one, "type", _PARAMETER_TYPE))),
        "encode the type as uint32",
    ),
    (
        _EDGE,
        tck(f"{_T}-parameter-type-value"),
        "parameters of basic types (1…14)",
        _templates(_parameters(_parameter_known)),
        "use basic types for parameters",
    ),
    (
        BIRTHS,
        tck(f"{_T}-parameter-type-req"),
        "a type on each parameter",
        _templates(_parameters(lambda one: KEPT if one.HasField("type") else "no type")),
        "set Parameter.type in births",
    ),
    (
        _EDGE,
        tck(f"{_T}-parameter-value"),
        "a value of the parameter's type",
        _templates(_parameters(_parameter_value)),
        "use the value field that belongs to the type",
    ),
    (
        (NBIRTH,),
        _DEFAULTS,
        "",
        _templates(_may(lambda part: _is_definition(part) and bool(part.message.parameters))),
        "",
    ),
    (
        (NBIRTH, DBIRTH),
        tck(f"{_T}-instance-parameters"),
        "",
        _templates(_may(lambda part: not _is_definition(part) and bool(part.message.parameters))),
        "",
    ),
    (
        DATA,
        tck(f"{_T}-instance-members-data"),
        "",
        _templates(_may(lambda part: not _is_definition(part))),
        "",
    ),
    (
        COMMANDS,
        tck("payloads-name-cmd-requirement"),
        "",
        lambda sight: KEPT if any(p.message.HasField("timestamp") for p in sight.points) else None,
        "",
    ),
)

PART_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: tuple(
        Rule(ids, expected, judge, remedy)
        for kinds, ids, expected, judge, remedy in _TABLE
        if kind in kinds
    )
    for kind in MessageType
}
"""By kind: what the insides of one message's metrics show by themselves."""
