"""Descriptions: what an OPC UA server says of its variables - type, unit, access, sampling."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from asyncua import ua

from bridges.driver import Description
from bridges.opcua.kept import Item
from bridges.opcua.link import Link
from bridges.opcua.values import problem, variant_type
from uns.metric import DataType

__all__ = ["TYPES", "clock_ahead_s", "described", "is_array"]

_MAY_READ, _MAY_WRITE = 1, 2  # bits of UserAccessLevel, OPC UA part 3 §8.57
_MISSING = (ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid)
_DENIED = (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadNotReadable)
_SLOWER = 1.05  # servers round; 1001 ms are no finding
TYPES = {
    ua.VariantType.Boolean: DataType.BOOLEAN,
    ua.VariantType.SByte: DataType.INT8,
    ua.VariantType.Int16: DataType.INT16,
    ua.VariantType.Int32: DataType.INT32,
    ua.VariantType.Int64: DataType.INT64,
    ua.VariantType.Byte: DataType.UINT8,
    ua.VariantType.UInt16: DataType.UINT16,
    ua.VariantType.UInt32: DataType.UINT32,
    ua.VariantType.UInt64: DataType.UINT64,
    ua.VariantType.Float: DataType.FLOAT,
    ua.VariantType.Double: DataType.DOUBLE,
    ua.VariantType.String: DataType.STRING,
    ua.VariantType.LocalizedText: DataType.STRING,
    ua.VariantType.DateTime: DataType.DATETIME,
    ua.VariantType.Guid: DataType.UUID,
    ua.VariantType.ByteString: DataType.BYTES,
}


async def described(link: Link, items: Sequence[Item]) -> list[Description]:
    """Ask for everything at once, attribute by attribute; one description for each item."""
    nodes = [item.node for item in items]
    types = await link.read(nodes, ua.AttributeIds.DataType)
    ranks = await link.read(nodes, ua.AttributeIds.ValueRank)
    access = await link.read(nodes, ua.AttributeIds.UserAccessLevel)
    values = await link.read(nodes, ua.AttributeIds.Value)
    least = await link.read(nodes, ua.AttributeIds.MinimumSamplingInterval)
    units = await _units(link, nodes)
    sampling = await link.sampling_s(items)
    return [
        _description(item, *asked)
        for item, *asked in zip(
            items, types, ranks, access, values, least, units, sampling, strict=True
        )
    ]


async def clock_ahead_s(link: Link) -> float | None:
    """How far the server's clock is ahead of ours; None where it does not say."""
    asked = time.time()
    node = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
    (held,) = await link.read([node], ua.AttributeIds.Value)
    now = held.Value.Value if held.Value is not None else None
    if not isinstance(now, datetime):
        return None
    aware = now if now.tzinfo else now.replace(tzinfo=UTC)
    return aware.timestamp() - (asked + time.time()) / 2


async def _units(link: Link, nodes: Sequence[ua.NodeId]) -> list[ua.EUInformation | None]:
    """The EngineeringUnits of each variable (OPC UA part 8 §5.3.2), where it has them."""
    places = await link.properties(nodes, "EngineeringUnits")
    asked = [place for place in places if place is not None]
    held = iter(await link.read(asked, ua.AttributeIds.Value) if asked else ())
    found = [None if place is None else next(held).Value.Value for place in places]
    return [unit if isinstance(unit, ua.EUInformation) else None for unit in found]


def _description(  # noqa: PLR0917 - one column of answers each
    item: Item,
    data_type: ua.DataValue,
    rank: ua.DataValue,
    access: ua.DataValue,
    value: ua.DataValue,
    least: ua.DataValue,
    unit: ua.EUInformation | None,
    sampling_s: float | None,
) -> Description:
    handle, scan_ms = item.handle, item.sampling_ms
    status = data_type.StatusCode
    if status is not None and status.is_bad():
        return Description(handle, problem(status), is_missing=status.value in _MISSING)
    rights = access.Value.Value if access.Value is not None else None
    kind = variant_type(data_type, value)
    every_ms = max(_least_ms(least), (sampling_s or 0.0) * 1000)
    return Description(
        handle,
        problem=_unreadable(rights, value),
        datatype=TYPES.get(kind) if kind is not None else None,
        is_array=False if item.elements else is_array(rank, value),
        unit=(unit.DisplayName.Text or "") if unit else "",
        unit_id=unit.UnitId if unit else None,
        is_writable=bool(rights & _MAY_WRITE) if isinstance(rights, int) else None,
        every_s=every_ms / 1000 if every_ms > scan_ms * _SLOWER else None,
    )


def _least_ms(least: ua.DataValue) -> float:
    """How often the server looks at the variable at most; -1 where it does not know."""
    held = least.Value.Value if least.Value is not None else None
    return float(held) if isinstance(held, int | float) else 0.0


def _unreadable(rights: object, value: ua.DataValue) -> str:
    status = value.StatusCode
    if status is not None and status.value in _DENIED:
        return problem(status)
    if isinstance(rights, int) and not rights & _MAY_READ:
        return "the server does not let us read it"
    return ""


def is_array(rank: ua.DataValue, value: ua.DataValue) -> bool | None:
    """Whether it holds several values; a rank below -1 leaves that to the value."""
    held = rank.Value.Value if rank.Value is not None else None
    if isinstance(held, int) and held >= -1:
        return held >= 0
    return isinstance(value.Value.Value, list) if value.Value is not None else None
