"""Names in Sparkplug: groups, edge nodes, devices, message types and their topics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uns.errors import PeerProtocolError

__all__ = [
    "BD_SEQ",
    "CERTIFICATES",
    "NAMESPACE",
    "REBIRTH",
    "MessageType",
    "NodeId",
    "SparkplugTopic",
    "id_problem",
    "state_topic",
    "topic",
]

NAMESPACE = "spBv1.0"  # tck-id-topic-structure-namespace-a
CERTIFICATES = "$sparkplug/certificates/"  # where an aware server keeps the last births
BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"


class MessageType(StrEnum):
    """The verbs of Sparkplug; N… speak of an edge node, D… of one of its devices."""

    NBIRTH = "NBIRTH"
    NDATA = "NDATA"
    NDEATH = "NDEATH"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDATA = "DDATA"
    DDEATH = "DDEATH"
    DCMD = "DCMD"
    STATE = "STATE"

    @property
    def is_of_device(self) -> bool:
        """Whether topics of this type end in a device id."""
        return self.value.startswith("D")


@dataclass(frozen=True, slots=True, order=True)
class NodeId:
    """An edge node's descriptor: unique in the whole infrastructure.

    >>> str(NodeId("acme:leeds", "packaging:line1"))
    'acme:leeds/packaging:line1'
    """

    group_id: str
    edge_node_id: str

    def __str__(self) -> str:
        return f"{self.group_id}/{self.edge_node_id}"


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """A Sparkplug topic, taken apart.

    `device_id` is empty for messages of the node itself. STATE topics name a host application
    in `host_id` and no node.
    """

    type: MessageType
    node: NodeId
    device_id: str = ""
    host_id: str = ""

    @classmethod
    def parse(cls, text: str) -> SparkplugTopic:
        """Take `text` apart; raises PeerProtocolError where it is no Sparkplug topic.

        >>> SparkplugTopic.parse("spBv1.0/g/DDATA/e/d").device_id
        'd'
        """
        levels = text.split("/")
        if levels[0] != NAMESPACE:
            raise _refused(text, f"it does not begin with `{NAMESPACE}/`")
        if not all(levels):
            raise _refused(text, "a level is empty")
        if len(levels) == _STATE_LEVELS and levels[1] == MessageType.STATE:
            return cls(MessageType.STATE, NodeId("", ""), host_id=levels[2])
        if len(levels) not in (_NODE_LEVELS, _DEVICE_LEVELS):
            raise _refused(text, f"it has {len(levels)} levels")
        message_type = _TYPES.get(levels[2])
        if message_type is None:
            raise _refused(text, f"`{levels[2]}` is no message type")
        # tck-id-topic-structure-namespace-device-id-associated-message-types and its opposite
        if message_type.is_of_device != (len(levels) == _DEVICE_LEVELS):
            raise _refused(text, f"a {message_type} topic has another number of levels")
        return cls(message_type, NodeId(levels[1], levels[3]), "".join(levels[4:]))

    def __str__(self) -> str:
        if self.type is MessageType.STATE:
            return state_topic(self.host_id)
        return topic(self.type, self.node, self.device_id)


_STATE_LEVELS, _NODE_LEVELS, _DEVICE_LEVELS = 3, 4, 5
_TYPES = {str(kind): kind for kind in MessageType if kind is not MessageType.STATE}


def _refused(text: str, why: str) -> PeerProtocolError:
    return PeerProtocolError(
        f"`{text[:200]}` is no Sparkplug topic: {why}",
        hint="expected spBv1.0/<group>/<type>/<edge node>[/<device>] or spBv1.0/STATE/<host>",
    )


def topic(message_type: MessageType, node: NodeId, device_id: str = "") -> str:
    """The topic on which `node`, or its device, sends or receives this type of message."""
    text = f"{NAMESPACE}/{node.group_id}/{message_type}/{node.edge_node_id}"
    return f"{text}/{device_id}" if device_id else text


def state_topic(host_id: str) -> str:
    """The topic on which a host application says whether it is online."""
    return f"{NAMESPACE}/{MessageType.STATE}/{host_id}"


def id_problem(text: str) -> str:
    """Say why `text` cannot be a group, edge node, device or host id; empty when it can.

    >>> id_problem("line 1"), id_problem("a/b")
    ('', '`/` may not stand in a Sparkplug id')
    """
    if not text:
        return "a Sparkplug id may not be empty"
    # tck-id-topic-structure-namespace-valid-group-id, …-edge-node-id, …-device-id
    for mark in ("+", "/", "#", "\0"):
        if mark in text:
            return f"`{mark}` may not stand in a Sparkplug id"
    if not text.isprintable():
        return "a Sparkplug id is printable text"
    return ""
