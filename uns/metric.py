"""Values and what is known of them: Reading, DataType, Quality."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

__all__ = ["DataType", "Quality", "Reading", "Value"]

Value: TypeAlias = bool | int | float | str | bytes | None

# (handle, value, quality, timestamp) - a plain tuple, because tens of thousands pass each second.
#   handle     int, given to the driver with the tag
#   value      what the device holds, before scaling; None when it has none
#   quality    int, one of Quality
#   timestamp  int, source time in milliseconds since 1970 UTC; 0 asks the runtime to stamp it
Reading: TypeAlias = tuple[int, Value, int, int]


class Quality(IntEnum):
    """How far a value can be trusted. GOOD, BAD and STALE are Sparkplug's `Quality` codes."""

    BAD = 0
    UNCERTAIN = 64  # classic OPC code; Sparkplug has none, so it travels as GOOD with a `detail`
    GOOD = 192
    STALE = 500


class DataType(IntEnum):
    """Sparkplug B 3.0 datatypes, by their codes on the wire (specification §6.4.16)."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers with limits."""
        return self in _LIMITS

    @property
    def is_real(self) -> bool:
        """Whether values are floating-point numbers."""
        return self in (DataType.FLOAT, DataType.DOUBLE)

    @property
    def is_text(self) -> bool:
        """Whether values are character strings."""
        return self in (DataType.STRING, DataType.TEXT, DataType.UUID)

    @property
    def limits(self) -> tuple[int, int] | None:
        """The least and greatest whole number of this type; None for other types."""
        return _LIMITS.get(self)

    @property
    def element(self) -> DataType | None:
        """The type of an array's elements; None for other types."""
        name, is_array, _ = self.name.partition("_ARRAY")
        return DataType[name] if is_array else None

    @property
    def label(self) -> str:
        """The specification's spelling: `Int32`, `Boolean`, `DateTime`."""
        return _LABELS.get(self) or self.name.title().replace("_", "")


_LIMITS = {
    DataType(signed): (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for signed, bits in zip(range(1, 5), (8, 16, 32, 64), strict=True)
} | {
    DataType(unsigned): (0, 2**bits - 1)
    for unsigned, bits in zip(range(5, 9), (8, 16, 32, 64), strict=True)
}
_LABELS = {
    DataType.UINT8: "UInt8",
    DataType.UINT16: "UInt16",
    DataType.UINT32: "UInt32",
    DataType.UINT64: "UInt64",
    DataType.DATETIME: "DateTime",
    DataType.UUID: "UUID",
    DataType.DATASET: "DataSet",
    DataType.UINT8_ARRAY: "UInt8Array",
    DataType.UINT16_ARRAY: "UInt16Array",
    DataType.UINT32_ARRAY: "UInt32Array",
    DataType.UINT64_ARRAY: "UInt64Array",
    DataType.DATETIME_ARRAY: "DateTimeArray",
}
