"""Calling a method of the server: its arguments in the types that it wants, its answers as ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua
from asyncua.ua.uaprotocol_auto import Argument  # `ua.Argument` is a subclass that is not decoded

from bridges.opcua.link import Link
from bridges.opcua.values import Shape, in_type, known_type, problem, reading
from uns.errors import DeviceError
from uns.metric import Value

__all__ = ["call"]


async def call(link: Link, method: ua.NodeId, arguments: Sequence[Value]) -> list[Value]:
    """Call the method; what it returns. Raises DeviceError with the server's reason."""
    wanted = await _wanted(link, method)
    if len(wanted) != len(arguments):
        takes = ", ".join(f"{one.Name}" for one in wanted) or "none"
        raise DeviceError(
            f"the method takes {len(wanted)} arguments and got {len(arguments)}",
            hint=f"they are: {takes}",
        )
    request = ua.CallMethodRequest()
    request.ObjectId = await _owner(link, method)
    request.MethodId = method
    request.InputArguments = [
        _argument(one, value) for one, value in zip(wanted, arguments, strict=True)
    ]
    result = await link.call(request)
    _check(result, wanted)
    return [_value(variant) for variant in result.OutputArguments or ()]


async def _wanted(link: Link, method: ua.NodeId) -> list[Argument]:
    """What the method takes: its property InputArguments, where it has one."""
    (place,) = await link.properties([method], "InputArguments")
    if place is None:
        return []
    (held,) = await link.read([place], ua.AttributeIds.Value)
    listed = held.Value.Value if held.Value is not None else None
    return [one for one in listed or () if isinstance(one, Argument)]


async def _owner(link: Link, method: ua.NodeId) -> ua.NodeId:
    """The object that has the method: OPC UA wants to be told both."""
    (parents,) = await link.parents([method])
    for one in parents:
        if one.NodeClass == ua.NodeClass.Object:
            return ua.NodeId(one.NodeId.Identifier, one.NodeId.NamespaceIndex)
    raise DeviceError("the server has no such method, or no object that has it")


def _argument(wanted: Argument, value: Value) -> ua.Variant:
    kind = known_type(wanted.DataType)
    if kind is None:
        return ua.Variant(value)  # a type of the server's own; it has to see whether this fits
    try:
        return in_type(value, kind, is_array=isinstance(value, list | tuple))
    except DeviceError:
        raise DeviceError(
            f"`{value!r}` does not fit the argument {wanted.Name}: {kind.name}"
        ) from None


def _check(result: ua.CallMethodResult, wanted: Sequence[Argument]) -> None:
    for one, status in zip(wanted, result.InputArgumentResults or (), strict=False):
        if status.is_bad():
            raise DeviceError(f"the argument {one.Name}: {problem(status)}")
    if result.StatusCode.is_bad():
        raise DeviceError(_REFUSALS.get(result.StatusCode.value) or problem(result.StatusCode))


def _value(variant: ua.Variant) -> Value:
    held: Any = variant.Value
    shape = Shape.ARRAY if isinstance(held, list) else Shape.SINGLE
    return reading(0, ua.DataValue(variant), shape)[1]


_REFUSALS = {
    ua.StatusCodes.BadMethodInvalid: "the server has no such method",
    ua.StatusCodes.BadNothingToDo: "the server has no such method",
    ua.StatusCodes.BadNodeIdUnknown: "the server has no such method",
    ua.StatusCodes.BadNotExecutable: "the method cannot be called now",
    ua.StatusCodes.BadUserAccessDenied: "this user may not call it",
}
