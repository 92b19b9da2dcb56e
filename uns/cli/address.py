"""The broker's address on a command line: read at once, so that a wrong one is a usage error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from uns.mqtt import Broker

__all__ = [
    "DEMO_BROKERS",
    "asked_broker_option",
    "asked_brokers_option",
    "broker_option",
    "brokers_option",
    "kind_or_address",
]

F = TypeVar("F", bound="Callable[..., object]")

DEMO_BROKERS = ("embedded", "mosquitto")


def kind_or_address(_: click.Context, __: click.Parameter, text: str) -> str:
    """Pass a broker that the demo starts, by its kind, or the address of one that runs."""
    if text in DEMO_BROKERS:
        return text
    if "://" not in text:
        raise click.BadParameter(
            f"`{text}` is neither {' nor '.join(DEMO_BROKERS)} nor an address such as "
            "mqtt://host:1883"
        )
    _parsed(text)
    return text


def _address(_: click.Context, __: click.Parameter, text: str) -> Broker:
    return _parsed(text)


def _perhaps(_: click.Context, __: click.Parameter, text: str | None) -> Broker | None:
    return None if text is None else _parsed(text)


def _parsed(text: str) -> Broker:
    from uns.errors import UnsError
    from uns.mqtt import Broker

    try:
        return Broker.parse(text)
    except UnsError as error:
        sentence = f"{error}; {error.hint}" if error.hint else str(error)
        raise click.BadParameter(sentence) from None


def _addresses(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[Broker]:
    found = [_parsed(text) for text in texts]
    for broker in found:
        if found.count(broker) > 1:
            raise click.BadParameter(f"{broker} is there twice")
    return found


brokers_option = click.option(
    "-b",
    "--broker",
    "brokers",
    callback=_addresses,
    metavar="URL",
    default=["mqtt://127.0.0.1:1883"],
    show_default=True,
    multiple=True,
    envvar="UNS_BROKER",
    help="A broker's address; may be given again, in order of preference.",
)


broker_option = click.option(
    "-b",
    "--broker",
    callback=_address,
    metavar="URL",
    default="mqtt://127.0.0.1:1883",
    show_default=True,
    envvar="UNS_BROKER",
    help="The broker's address.",
)


def asked_broker_option(what: str) -> Callable[[F], F]:
    """The option `--broker` of a command that can do without one; `what` is asked of it."""
    return click.option(
        "-b", "--broker", callback=_perhaps, metavar="URL", envvar="UNS_BROKER", help=what
    )


def asked_brokers_option(what: str) -> Callable[[F], F]:
    """The option `--broker` of a command that can do without any, and take several."""
    return click.option(
        "-b", "--broker", "brokers", callback=_addresses, metavar="URL", multiple=True,
        envvar="UNS_BROKER", help=what,
    )  # fmt: skip
