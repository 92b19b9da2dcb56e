"""Rules of topics: namespace, levels, ids and message types."""

from __future__ import annotations

from dataclasses import dataclass

from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.names import NAMESPACE, MessageType, NodeId, SparkplugTopic

__all__ = ["STATE_SHAPE_RULES", "TOPIC_RULES", "Shape"]

_TYPES = {str(kind): kind for kind in MessageType}
_STATE = MessageType.STATE
_NODE_LEVELS, _DEVICE_LEVELS = 4, 5
_NAMESPACES = ("spBv1.0", "spAv1.0")
_FLOW = "message-flow"


@dataclass(frozen=True, slots=True)
class Shape:
    """A topic in the making: its levels, and the type that one of them seems to be."""

    text: str
    levels: tuple[str, ...]
    kind: MessageType | None

    @classmethod
    def of(cls, text: str) -> Shape | None:
        """The shape of a topic that means to be Sparkplug's; None for others."""
        levels = tuple(text.split("/"))
        if levels[0] not in _NAMESPACES:
            is_old_state = levels[0] == _STATE and len(levels) == 2  # noqa: PLR2004 - as 2.2 has it
            return cls(text, levels, _STATE) if is_old_state else None
        kind = _TYPES.get(levels[2]) if len(levels) > 2 else None  # noqa: PLR2004 - the third level
        if len(levels) > 1 and levels[1] == _STATE:
            kind = _STATE
        return cls(text, levels, kind)

    @property
    def place(self) -> SparkplugTopic | None:
        """The topic taken apart, where it is a proper one but for its namespace."""
        if self.kind is None or self.kind is _STATE or not all(self.levels):
            return None
        wanted = _DEVICE_LEVELS if self.kind.is_of_device else _NODE_LEVELS
        if len(self.levels) != wanted:
            return None
        return SparkplugTopic(
            self.kind, NodeId(self.levels[1], self.levels[3]), "".join(self.levels[4:])
        )

    @property
    def node(self) -> NodeId | None:
        """The edge node that it speaks of, as far as it has one."""
        if self.kind is _STATE or len(self.levels) < _NODE_LEVELS:
            return None
        return NodeId(self.levels[1], self.levels[3])

    @property
    def host_id(self) -> str:
        """The host that a STATE topic speaks of."""
        if len(self.levels) > 2 and self.levels[1] == _STATE:  # noqa: PLR2004 - the third level
            return self.levels[2]
        return self.levels[-1]

    def level(self, place: int) -> str | None:
        """One level; None where there is none."""
        return self.levels[place] if place < len(self.levels) else None


def _structure(shape: Shape) -> str | None:
    if shape.kind is None:
        return "no message type in the third level"
    if len(shape.levels) not in (_NODE_LEVELS, _DEVICE_LEVELS):
        return f"{len(shape.levels)} levels"
    return KEPT


def _namespace(shape: Shape) -> str | None:
    return KEPT if shape.levels[0] == NAMESPACE else f"`{shape.levels[0]}`"


def _id_problem(text: str | None) -> str | None:
    if text is None:
        return None
    if not text:
        return "an empty level"
    mark = next((mark for mark in "+#\0" if mark in text), None)
    return KEPT if mark is None else f"`{text}`"


def _is_text(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{text!r}"
    return KEPT if text else "an empty level"


def _device_level(shape: Shape) -> str | None:
    if shape.kind is None or not shape.kind.is_of_device:
        return None
    return KEPT if len(shape.levels) == _DEVICE_LEVELS else f"{len(shape.levels)} levels"


def _no_device_level(shape: Shape) -> str | None:
    if shape.kind is None or shape.kind.is_of_device:
        return None
    return KEPT if len(shape.levels) == _NODE_LEVELS else f"{len(shape.levels)} levels"


def _form(kind: MessageType, names: tuple[str, ...]) -> Rule[Shape]:
    device = "/<device>" if kind.is_of_device else ""

    def judge(shape: Shape) -> str | None:
        if shape.kind is not kind:
            return None
        is_proper = shape.place is not None and shape.levels[0] == NAMESPACE
        return KEPT if is_proper else f"`{shape.text}`"

    wanted = f"{NAMESPACE}/<group>/{kind}/<edge node>{device}"
    return Rule(tck(*names), wanted, judge, f"publish on {wanted}")


_CHARS = "use neither + nor / nor # in ids"
TOPIC_RULES: tuple[Rule[Shape], ...] = (
    Rule(
        tck("topic-structure"),
        "namespace/group/type/edge node[/device]",
        _structure,
        "keep to the topics of Sparkplug below spBv1.0/",
    ),
    Rule(tck("topic-structure-namespace-a"), NAMESPACE, _namespace, "publish below spBv1.0/"),
    *(
        Rule(
            tck(f"intro-{word}-id-chars", f"topic-structure-namespace-valid-{word}-id"),
            f"a {word} id without + / #",
            lambda shape, place=place: _id_problem(shape.level(place)),  # type: ignore[misc]  # bound
            _CHARS,
        )
        for word, place in (("group", 1), ("edge-node", 3), ("device", 4))
    ),
    *(
        Rule(
            tck(f"intro-{word}-id-string"),
            f"a {word} id of UTF-8 text",
            lambda shape, place=place: _is_text(shape.level(place)),  # type: ignore[misc]  # bound
            "write ids in UTF-8",
        )
        for word, place in (("group", 1), ("edge-node", 3), ("device", 4))
    ),
    Rule(
        tck("topic-structure-namespace-device-id-associated-message-types"),
        "five levels",
        _device_level,
        "end topics of D… messages with the device id",
    ),
    Rule(
        tck("topic-structure-namespace-device-id-non-associated-message-types"),
        "four levels",
        _no_device_level,
        "end topics of N… messages with the edge node id",
    ),
    _form(
        MessageType.NBIRTH,
        ("topics-nbirth-topic", f"{_FLOW}-edge-node-birth-publish-nbirth-topic"),
    ),
    _form(
        MessageType.DBIRTH,
        ("topics-dbirth-topic", f"{_FLOW}-device-birth-publish-dbirth-topic"),
    ),
    _form(MessageType.NDATA, ("topics-ndata-topic",)),
    _form(MessageType.DDATA, ("topics-ddata-topic",)),
    _form(MessageType.NDEATH, ("topics-ndeath-topic",)),
    _form(MessageType.DDEATH, ("topics-ddeath-topic",)),
    _form(
        MessageType.NCMD,
        ("topics-ncmd-topic", "operational-behavior-data-commands-ncmd-verb"),
    ),
    _form(
        MessageType.DCMD,
        ("topics-dcmd-topic", "operational-behavior-data-commands-dcmd-verb"),
    ),
)
"""What a topic of an edge node, or of a command to one, shows by itself."""


def _state_levels(shape: Shape) -> str | None:
    is_proper = shape.levels[0] == NAMESPACE and shape.levels[1] == _STATE
    return f"`{shape.text}`" if is_proper and len(shape.levels) != 3 else KEPT  # noqa: PLR2004


STATE_SHAPE_RULES: tuple[Rule[Shape], ...] = (
    Rule(
        tck("topic-structure-namespace-device-id-non-associated-message-types"),
        "spBv1.0/STATE/<host id>",
        _state_levels,
        "end STATE topics with the host id",
    ),
)
"""What a STATE topic shows by itself, beside what `state_rules` say of births and deaths."""
