"""Rules of templates against their definitions, which an NBIRTH gives for the whole session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from uns.sparkplug.monitor.message_rules import DBIRTH, DDATA, NBIRTH, NDATA
from uns.sparkplug.monitor.node import Definition, definitions_in
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Part, Sight
from uns.sparkplug.names import MessageType

__all__ = ["TEMPLATE_RULES"]

_T = "payloads-template"
_KINDS = (NBIRTH, DBIRTH, NDATA, DDATA)
_BIRTHS = (NBIRTH, DBIRTH)


def _definitions(sight: Sight) -> Mapping[str, Definition] | None:
    """Those of the session; None where its NBIRTH was not seen."""
    if sight.kind is NBIRTH:
        return definitions_in(sight)
    return sight.node.definitions if sight.node is not None else None


def _instances(sight: Sight) -> Iterator[Part]:
    for part in sight.templates:
        is_definition = part.message.HasField("is_definition") and part.message.is_definition
        if part.message.template_ref and not is_definition:
            yield part


def _against(
    judge: Callable[[Part, Definition], str | None],
) -> Callable[[Sight], str | None]:
    """Judge each instance by its definition, where there is one."""

    def judged(sight: Sight) -> str | None:
        definitions, said = _definitions(sight), None
        for part in _instances(sight) if definitions is not None else ():
            definition = (definitions or {}).get(str(part.message.template_ref))
            one = judge(part, definition) if definition is not None else None
            if one:
                return f"{part.label}: {one}"
            said = KEPT if one is not None else said
        return said

    return judged


def _defined(sight: Sight) -> str | None:
    definitions, said = _definitions(sight), None
    for part in _instances(sight) if definitions is not None else ():
        if part.message.template_ref not in (definitions or {}):
            return f"{part.label}: no definition `{part.message.template_ref}`"
        said = KEPT
    return said


def _named_definition(sight: Sight) -> str | None:
    """What others take for their definition has to say that it is one."""
    wanted = {part.message.template_ref for part in _instances(sight)}
    for part in sight.templates:
        says = part.message.is_definition if part.message.HasField("is_definition") else None
        if part.name in wanted and says is False:
            return f"{part.label}: instances refer to it, and it is none"
    return None


def _members(part: Part, definition: Definition) -> str | None:
    names = [str(metric.name) for metric in part.message.metrics]
    wrong = next((name for name in names if name not in definition.members), None)
    return KEPT if wrong is None else f"a member `{wrong}` that its definition lacks"


def _complete(part: Part, definition: Definition) -> str | None:
    missing = definition.members - {str(metric.name) for metric in part.message.metrics}
    return f"the member `{min(missing)}` is missing" if missing else KEPT


def _parameters(part: Part, definition: Definition) -> str | None:
    if not part.message.parameters:
        return None
    names = [str(one.name) for one in part.message.parameters]
    wrong = next((name for name in names if name not in definition.parameters), None)
    return KEPT if wrong is None else f"a parameter `{wrong}` that its definition lacks"


_TABLE: tuple[
    tuple[tuple[MessageType, ...], tuple[str, ...], str, Callable[[Sight], str | None], str], ...
] = (
    (
        _BIRTHS,
        tck("topics-nbirth-templates", f"{_T}-definition-nbirth"),
        "the definition of each instance in the NBIRTH",
        _defined,
        "publish all definitions in the NBIRTH, also those that only devices use",
    ),
    (
        (NBIRTH,),
        tck(f"{_T}-definition-is-definition", f"{_T}-is-definition-definition"),
        "is_definition true on a definition",
        _named_definition,
        "set Template.is_definition",
    ),
    (
        _KINDS,
        tck(f"{_T}-definition-members", f"{_T}-instance-members"),
        "members of the definition and no others",
        _against(_members),
        "name every member in the definition",
    ),
    (
        _BIRTHS,
        tck(f"{_T}-instance-members-birth"),
        "every member of the definition",
        _against(_complete),
        "say all members in births; only data may be partial",
    ),
    (
        _KINDS,
        tck(f"{_T}-definition-parameters"),
        "parameters of the definition and no others",
        _against(_parameters),
        "name every parameter in the definition",
    ),
)

TEMPLATE_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: tuple(
        Rule(ids, expected, judge, remedy)
        for kinds, ids, expected, judge, remedy in _TABLE
        if kind in kinds
    )
    for kind in MessageType
}
"""By kind: what instances show when it is their message's turn."""
