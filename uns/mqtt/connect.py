"""One attempt to open a session, with a deadline and a sentence for each way it can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import reason
from uns.mqtt.broker import Broker
from uns.mqtt.control import connect_packet
from uns.mqtt.session import Filters, Session
from uns.mqtt.wire import Wire
from uns.packet import MQTT_3, MQTT_5

__all__ = ["CONNECT_S", "KEEPALIVE_S", "RefusedError", "connect"]

CONNECT_S = 5.0
"""TCP, TLS, CONNECT and CONNACK together, for both versions of MQTT."""
KEEPALIVE_S = 5


class RefusedError(BrokerError):
    """The broker answered, and its answer was no."""


class _OtherVersionError(BrokerError):
    """The broker does not speak this version of MQTT, or seems not to."""


async def connect(
    broker: Broker,
    client_id: str,
    *,
    will: Callable[[], Message | None] | None = None,
    keepalive_s: int = KEEPALIVE_S,
    clean: bool = True,
    on_connect_sent: Callable[[], None] | None = None,
    deadline_s: float = CONNECT_S,
    protocol: int | None = None,
) -> Session:
    """Open a session: MQTT 5, or 3.1.1 where that is refused, or just `protocol`.

    `will` is asked for each CONNECT, `on_connect_sent` is told when one has left. A session
    that is not `clean` keeps its subscriptions and unacknowledged messages at the broker.
    Raises BrokerError.
    """
    versions = (protocol,) if protocol else (MQTT_5, MQTT_3)
    for version in versions:
        message = will() if will else None
        try:
            return await _attempt(
                broker, client_id, version, message, keepalive_s, clean=clean,
                on_connect_sent=on_connect_sent, deadline_s=deadline_s / len(versions),
            )  # fmt: skip
        except _OtherVersionError as error:
            refused = error
    raise refused


async def _attempt(
    broker: Broker,
    client_id: str,
    version: int,
    will: Message | None,
    keepalive_s: int,
    *,
    clean: bool,
    on_connect_sent: Callable[[], None] | None,
    deadline_s: float,
) -> Session:
    filters = Filters()
    wire = Wire(broker, version, keepalive_s, filters.accepts)
    packet = connect_packet(
        wire, client_id, username=broker.username, password=broker.password, will=will,
        keepalive_s=keepalive_s, clean=clean,
    )  # fmt: skip
    is_open = False
    try:
        async with asyncio.timeout(deadline_s):
            await _dial(broker, wire)
            wire.write(packet)
            if on_connect_sent is not None:
                on_connect_sent()
            await wire.greeted.wait()
        _judge(broker, wire)
        session = Session(broker, client_id, wire, filters)
        is_open = True
    except TimeoutError:
        raise _silence(broker, wire, deadline_s) from None
    except OSError as error:
        raise broker.failure(error) from None
    finally:
        if not is_open:
            wire.fail(BrokerError("no session came about"))
    return session


async def _dial(broker: Broker, wire: Wire) -> None:
    context = broker.tls_context()
    await asyncio.get_running_loop().create_connection(
        lambda: wire,
        broker.host,
        broker.port,
        ssl=context,
        server_hostname=broker.host if context else None,
    )


def _judge(broker: Broker, wire: Wire) -> None:
    """Raise what a refusing CONNACK, or none at all, means."""
    connack, is_311 = wire.connack, wire.proto_ver == MQTT_3
    if connack is None:
        wire_lost = str(wire.lost)
        error = BrokerError if is_311 else _OtherVersionError
        raise error(
            f"{wire_lost} before it answered our CONNECT",
            hint="is this an MQTT broker, and does the port want TLS (mqtts://)?",
        )
    if not connack.code:
        return
    # MQTT 3.1.1 brokers answer MQTT 5 with return code 1 (MQTT 3.1.1 §3.1.2.2)
    refused = reason.refusal(
        f"{broker.address} refused us", connack.code, connack_311=is_311 or connack.code == 1
    )
    is_strange = connack.code < reason.REFUSED and not is_311 and connack.code != 1
    hint = "is this an MQTT broker?" if is_strange else refused.hint
    is_version = connack.code in (1, reason.UNSUPPORTED_VERSION)
    raise (_OtherVersionError if is_version else RefusedError)(str(refused), hint=hint)


def _silence(broker: Broker, wire: Wire, deadline_s: float) -> BrokerError:
    if wire.is_connected:
        # amqtt loses itself in a CONNECT of MQTT 5 that has a will, and says nothing
        return _OtherVersionError(
            f"{broker.address} takes connections but did not answer our CONNECT "
            f"within {deadline_s:g} s",
            hint="is this an MQTT broker? does the port want TLS (mqtts://)? or does it hang?",
        )
    return BrokerError(
        f"no connection to {broker.address} within {deadline_s:g} s",
        hint="check the address, the network and the firewall",
    )
