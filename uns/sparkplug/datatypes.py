"""Datatypes: which protobuf field carries a value, and what a value must look like to fit."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from uns.metric import DataType
from uns.sparkplug.arrays import ELEMENT_OF, is_array, unpack
from uns.sparkplug.metrics import DataSet, Metric, Parameter, Template

__all__ = ["BASIC", "FIELDS", "fit", "from_wire", "mask_of", "signed", "text_of"]

BASIC = frozenset(DataType(code) for code in range(1, 15))  # of DataSet cells and parameters

FIELDS = {
    DataType.INT8: "int_value",
    DataType.INT16: "int_value",
    DataType.INT32: "int_value",
    DataType.INT64: "long_value",
    DataType.UINT8: "int_value",
    DataType.UINT16: "int_value",
    DataType.UINT32: "int_value",
    DataType.UINT64: "long_value",
    DataType.FLOAT: "float_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
    DataType.DATETIME: "long_value",
    DataType.TEXT: "string_value",
    DataType.UUID: "string_value",
    DataType.DATASET: "dataset_value",
    DataType.BYTES: "bytes_value",
    DataType.FILE: "bytes_value",
    DataType.TEMPLATE: "template_value",
    DataType.PROPERTY_SET: "propertyset_value",
    DataType.PROPERTY_SET_LIST: "propertysets_value",
} | dict.fromkeys(ELEMENT_OF, "bytes_value")

_INTEGER_FIELDS = ("int_value", "long_value")
_BITS = {
    DataType.INT8: 8,
    DataType.INT16: 16,
    DataType.INT32: 32,
    DataType.INT64: 64,
    DataType.DATETIME: 64,
}
_MAX_FLOAT = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def mask_of(datatype: DataType) -> int:
    """What cuts a signed value to the bits that its field carries.

    Int8 and Int16 are extended to 32 bits: the specification leaves their width open, and of
    the peers looked at only pysparkplug minds the extended form, while JavaScript ones misread
    the short one.
    """
    return 2**64 - 1 if FIELDS[datatype] == "long_value" else 2**32 - 1


def signed(bits: int) -> Callable[[int], int]:
    """Return what reads a signed value of this width from the unsigned field that carries it.

    Senders cut a negative value to its own width or extend its sign to 32 or 64 bits; all are
    read. The function returned raises ValueError for anything else.
    """
    half, whole = 1 << bits - 1, 1 << bits

    def read(raw: int) -> int:
        if raw < half:
            return raw
        if raw < whole:
            return raw - whole
        for wide in (1 << 32, 1 << 64):
            if wide - half <= raw < wide:
                return raw - wide
        raise ValueError(f"{raw} does not fit {bits} signed bits")

    return read


_SIGNED = {bits: signed(bits) for bits in (8, 16, 32, 64)}


def text_of(raw: Any) -> str:
    """The text in a string field; raises ValueError where the sender's bytes are not UTF-8.

    upb hands out such bytes as `bytes`.
    """
    if isinstance(raw, str):
        return raw
    raise ValueError(f"{raw[:40]!r} is not UTF-8")


def from_wire(datatype: DataType, field: str, raw: Any) -> Any:
    """The value of a simple datatype as it came in `field`; raises ValueError where it cannot be.

    Whole numbers are taken from either integer field: peers differ in where UInt32 belongs.
    """
    wanted = FIELDS.get(datatype)
    if wanted is None:
        raise ValueError(f"{datatype.label} is no datatype of a value")
    if field != wanted and not (wanted in _INTEGER_FIELDS and field in _INTEGER_FIELDS):
        raise ValueError(f"{datatype.label} came in {field}, expected {wanted}")
    bits = _BITS.get(datatype)
    if bits is not None:
        return _SIGNED[bits](raw)
    if datatype.limits is not None and raw > datatype.limits[1]:
        raise ValueError(f"{raw} does not fit {datatype.label}")
    if wanted == "string_value":
        return text_of(raw)
    return unpack(datatype, raw) if is_array(datatype) else raw


def fit(datatype: DataType, value: Any) -> tuple[Any, str]:
    """Return `value` as this datatype holds it, and why it cannot where it cannot.

    Only what loses nothing is converted: `5` to 5.0, `"12"` to 12, 1 to True, 5.0 to 5.
    The reason is `Type`, `Range` or `NaN`, and the value is None then.

    >>> fit(DataType.INT8, "12"), fit(DataType.INT8, 300), fit(DataType.FLOAT, "abc")
    ((12, ''), (None, 'Range'), (None, 'Type'))
    """
    if value is None:
        return None, ""
    element = ELEMENT_OF.get(datatype)
    if element is not None:
        return _fit_array(element, value)
    fitted, why = _FIT.get(datatype, _fit_nothing)(value)
    if why or datatype.limits is None:
        return fitted, why
    low, high = datatype.limits
    return (fitted, "") if low <= fitted <= high else _RANGE


_TYPE, _RANGE, _NAN = (None, "Type"), (None, "Range"), (None, "NaN")


def _fit_integer(value: Any) -> tuple[Any, str]:
    if isinstance(value, int):
        return int(value), ""
    if isinstance(value, float):
        if not math.isfinite(value):
            return _NAN
        return (int(value), "") if value.is_integer() else _TYPE
    if not isinstance(value, str):
        return _TYPE
    try:
        return int(value), ""
    except ValueError:
        return _TYPE


def _fit_datetime(value: Any) -> tuple[Any, str]:
    fitted, why = _fit_integer(value)
    return (fitted, why) if why or -(2**63) <= fitted < 2**63 else _RANGE


def _fit_double(value: Any) -> tuple[Any, str]:
    if not isinstance(value, int | float | str):
        return _TYPE
    try:
        real = float(value)
    except OverflowError:
        return _RANGE
    except ValueError:
        return _TYPE
    # JSON has neither NaN nor infinity, and neither is a measurement.
    return (real, "") if math.isfinite(real) else _NAN


def _fit_float(value: Any) -> tuple[Any, str]:
    fitted, why = _fit_double(value)
    return (fitted, why) if why or abs(fitted) <= _MAX_FLOAT else _RANGE


def _fit_boolean(value: Any) -> tuple[Any, str]:
    if isinstance(value, str):
        value = _TRUTH.get(value.strip().lower())
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value), ""
    return _TYPE


_TRUTH = {"true": 1, "false": 0, "1": 1, "0": 0}


def _fit_text(value: Any) -> tuple[Any, str]:
    if isinstance(value, bool):
        return str(value).lower(), ""
    if isinstance(value, int | float):
        return str(value), ""
    try:
        if isinstance(value, bytes):
            return value.decode(), ""
        if isinstance(value, str):
            value.encode()  # half a surrogate pair has no UTF-8
            return str(value), ""
    except UnicodeError:
        pass
    return _TYPE


def _fit_bytes(value: Any) -> tuple[Any, str]:
    return (bytes(value), "") if isinstance(value, bytes | bytearray | memoryview) else _TYPE


def _fit_nothing(_value: Any) -> tuple[Any, str]:
    return _TYPE


def _fit_array(element: DataType, value: Any) -> tuple[Any, str]:
    """Every element must fit; one that does not refuses the array, for its places mean something."""
    if not isinstance(value, list | tuple):
        return _TYPE
    fitted = [fit(element, item) for item in value]
    problem = next((why for item, why in fitted if why or item is None), None)
    if problem is not None:
        return None, problem or "Type"
    items = tuple(item for item, _ in fitted)
    has_nul = element is DataType.STRING and any("\0" in item for item in items)
    return _TYPE if has_nul else (items, "")


def _fit_dataset(value: Any) -> tuple[Any, str]:
    """Every cell must fit its column; an empty one is None."""
    if not isinstance(value, DataSet) or not BASIC.issuperset(value.types):
        return _TYPE
    if any(len(row) != len(value.types) for row in (value.columns, *value.rows)):
        return _TYPE
    rows = [[fit(*cell) for cell in zip(value.types, row, strict=True)] for row in value.rows]
    problem = next((why for row in rows for _, why in row if why), None)
    if problem is not None:
        return None, problem
    return replace(value, rows=tuple(tuple(item for item, _ in row) for row in rows)), ""


def _fit_template(value: Any) -> tuple[Any, str]:
    """Every member and parameter must fit."""
    if not isinstance(value, Template):
        return _TYPE
    if not BASIC.issuperset(parameter.datatype for parameter in value.parameters):
        return _TYPE
    parts: tuple[Metric | Parameter, ...] = (*value.metrics, *value.parameters)
    fitted = [fit(part.datatype, part.value) for part in parts]
    problem = next((why for _, why in fitted if why), None)
    if problem is not None:
        return None, problem
    items = iter(item for item, _ in fitted)
    return replace(
        value,
        metrics=tuple(replace(member, value=next(items)) for member in value.metrics),
        parameters=tuple(replace(entry, value=next(items)) for entry in value.parameters),
    ), ""


_FIT: dict[DataType, Callable[[Any], tuple[Any, str]]] = (
    dict.fromkeys((code for code in DataType if code.limits is not None), _fit_integer)
    | dict.fromkeys((DataType.STRING, DataType.TEXT, DataType.UUID), _fit_text)
    | dict.fromkeys((DataType.BYTES, DataType.FILE), _fit_bytes)
    | {
        DataType.FLOAT: _fit_float,
        DataType.DOUBLE: _fit_double,
        DataType.BOOLEAN: _fit_boolean,
        DataType.DATETIME: _fit_datetime,
        DataType.DATASET: _fit_dataset,
        DataType.TEMPLATE: _fit_template,
    }
)
