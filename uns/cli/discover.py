"""`uns discover`: a project drafted from what a device or a broker says that it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import click

from uns.cli.import_ import check_names, hand_over

if TYPE_CHECKING:
    from bridges.driver import BrowsedNode, Driver
    from uns.cli.topic_places import TopicPlaces
    from uns.importers.found import Found

__all__ = ["discover"]


@click.command()
@click.argument("endpoint", metavar="URL")
@click.argument("pattern", metavar="[PATTERN]", default="")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Write FOLDER/draft.yaml.  [default: to stdout]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a draft that is there.")
@click.option("--enterprise", default="enterprise", show_default=True, help="The tree's root.")
@click.option(
    "--under", default="site/area/line", show_default=True, metavar="PATH",
    help="Site, area and line of machines that the server does not place.",
)  # fmt: skip
@click.option(
    "--below", default="", metavar="PATH",
    help="Only what is there: /Objects/Line1, a glob such as /Objects/Line*/**, or a node id; "
    "a tag or program of a Logix controller.",
)  # fmt: skip
@click.option(
    "--seconds", type=click.FloatRange(min=0.1, max=3600), default=5.0, show_default=True,
    help="How long an MQTT broker is listened to.",
)  # fmt: skip
@click.option("--user", default="", help="Who logs in.  [default: nobody]")
@click.option("--password", default="", help="Better as UNS_DISCOVER_PASSWORD.")
@click.option(
    "--most", type=click.IntRange(min=1), default=100_000, show_default=True,
    help="Refuse a device with more variables.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def discover(
    *, endpoint: str, pattern: str, output: Path | None, force: bool, enterprise: str, under: str,
    below: str, seconds: float, user: str, password: str, most: int, as_json: bool,
) -> None:  # fmt: skip
    """Browse an OPC UA server, a Logix controller or a broker and draft a project from it.

    URL is opc.tcp://HOST:PORT, logix://HOST/SLOT or mqtt://HOST:PORT. Types, units, ranges and
    access are the device's, as far as its protocol has them; objects and structures are machines,
    folders and programs the levels above them. A broker is listened to for some seconds: the
    levels with names in the topic PATTERN are the machine's place, other wildcards and what is
    in the payload its tags. Reads only. Other protocols cannot be asked what they have: a Modbus
    device answers for registers that mean nothing.

      uns discover opc.tcp://10.1.1.20:4840 --under leeds/packaging/line1 -o leeds

      uns discover mqtt://10.1.1.5 'legacy/{line}/{machine}/data' -o leeds

    Exit code 0: a draft was made and `uns check` finds no problem in it, 1: no device, or
    nothing to draft.
    """
    import asyncio

    from uns.cli.talk import quiet
    from uns.importers.draft import draft

    check_names(enterprise, under)
    if pattern and below:
        raise click.UsageError("say the topic pattern or --below, not both")
    asked = _asked(endpoint, user, pattern or below)
    if pattern and asked.places is None:
        raise click.UsageError("a topic pattern is for a broker, mqtt://HOST; others take --below")
    driver = _driver(asked, asked.login(user, password), seconds)
    quiet()
    nodes = asyncio.run(_browsed(driver, pattern or below, most))
    if asked.places is not None and not nodes:
        _report_silence(pattern or below or "#", seconds)
    found = _found(asked, nodes)
    title = f"Drafted by `uns discover {endpoint}`."
    made = draft(found, title=title, enterprise=enterprise, under=under.split("/"))
    hand_over(made, output, as_json=as_json, force=force)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked: the driver, and the connection as the draft has it, without a password."""

    name: str
    driver: str
    connection: dict[str, Any] = field(default_factory=dict)
    guesses: tuple[str, ...] = ()
    places: TopicPlaces | None = None  # of a broker

    def login(self, user: str, password: str) -> dict[str, Any]:
        """What this session logs in with; nothing where nobody does."""
        words = {"user": user, "password": password}
        if not user:
            return {}
        return words if self.driver == "mqtt" else {"auth": words}

    def levels(self, node: BrowsedNode) -> tuple[tuple[str, ...], int | None]:
        """The place of a value, and how many of its levels are the machine's, if that is known."""
        if self.places is None:
            return node.path, None
        from bridges.mqtt.address import TopicAddress, Trust, parse

        address = parse(node.address, Trust())
        assert isinstance(address, TopicAddress)  # noqa: S101 - Sparkplug's are not mapped
        above = len([level for level in address.topic.split("/") if level])
        return self.places.levels(address.topic, node.path[above:])


def _asked(url: str, user: str, below: str = "") -> _Asked:
    """Who is at a URL; anything that has no scheme of ours is taken for an OPC UA server."""
    if url.lower().startswith(("mqtt:", "mqtts:")):
        return _broker(url, user, below)
    if not url.lower().startswith("logix:"):
        words: dict[str, Any] = {"endpoint": url}
        if not user:
            return _Asked("server", "opcua", words)
        words["auth"] = {"user": user, "password": "${env:OPCUA_PASSWORD}"}
        guess = "the password is that of the environment: set OPCUA_PASSWORD"
        return _Asked("server", "opcua", words, (guess,))
    if user:
        raise click.UsageError("a Logix controller asks for no user")
    parts = urlsplit(url)
    slot = parts.path.strip("/") or "0"
    try:
        port = parts.port
    except ValueError:
        slot = ""  # urllib's only complaint: a port that is none
    if not parts.hostname or not (slot.isascii() and slot.isdecimal()):
        raise click.UsageError(f"{url} is not like logix://10.1.1.30/0: a host, and the slot")
    words = {"host": parts.hostname, "slot": int(slot)}
    return _Asked("controller", "logix", words if port is None else {**words, "port": port})


def _broker(url: str, user: str, pattern: str) -> _Asked:
    """A broker; where the pattern has names, the draft's connection watches for more of them."""
    from uns.cli.topic_places import TopicPlaces

    places = TopicPlaces(pattern)
    words: dict[str, Any] = {"broker": url}
    guesses: tuple[str, ...] = ()
    if user:
        words |= {"user": user, "password": "${env:MQTT_PASSWORD}"}
        guesses = ("the password is that of the environment: set MQTT_PASSWORD",)
    if places.watch:
        words["watch"] = [places.watch]
    return _Asked("broker", "mqtt", words, guesses, places)


def _driver(asked: _Asked, login: dict[str, Any], seconds: float) -> Driver:
    """The driver that asks; settings that cannot be are a mistake in the command."""
    from pydantic import ValidationError

    from bridges import get_driver
    from bridges.mqtt import MqttDriver

    driver_class = get_driver(asked.driver)
    try:
        config = driver_class.Config(**{**asked.connection, **login})
    except ValidationError as error:
        raise click.UsageError(str(error.errors()[0]["msg"])) from None
    driver = driver_class(config)
    if isinstance(driver, MqttDriver):
        driver.listen_s = seconds
    return driver


async def _browsed(driver: Driver, below: str, most: int) -> list[BrowsedNode]:
    """Connect, browse, leave; refuses a device with more than `most` variables."""
    from bridges.driver import CanBrowse
    from uns.errors import DeviceError

    assert isinstance(driver, CanBrowse)  # noqa: S101 - those of `_asked` are
    nodes: list[BrowsedNode] = []
    try:
        await driver.open()
        async for node in driver.browse(below):
            nodes.append(node)
            if len(nodes) > most:
                raise DeviceError(
                    f"the device has more than {most:,} variables",
                    hint="raise --most if you want all, or say --below",
                )
    finally:
        await driver.close()
    return nodes


def _report_silence(asked: str, seconds: float) -> NoReturn:
    from uns.errors import DeviceError

    raise DeviceError(
        f"nothing came on `{asked}` within {seconds:g} s",
        hint="raise --seconds, or look with mosquitto_sub: a broker that hides topics from a user "
        "says nothing of it",
    )


def _found(asked: _Asked, nodes: list[BrowsedNode]) -> Found:
    from uns.importers.found import Device, Found, FoundTag, Unmapped
    from uns.importers.reading import read_unit, span_of
    from uns.units import of_opcua

    mapped: list[FoundTag] = []
    unmapped: list[Unmapped] = []
    for node in nodes:
        why = "it is an array" if node.is_array else node.problem
        if why or node.datatype is None:
            unmapped.append(Unmapped("/".join(node.path), node.address, why or "it is a folder"))
            continue
        known = of_opcua(node.unit_id) if node.unit_id is not None else None
        unit, guess = (known.code, "") if known else read_unit(node.unit)
        levels, depth = asked.levels(node)
        mapped.append(
            FoundTag(
                levels,
                node.address,
                node.datatype,
                unit,
                span_of(node.low, node.high),
                is_writable=node.is_writable,
                origin="/".join(node.path),
                guesses=(guess,) if guess else (),
                depth=depth,
            )
        )
    device = Device(asked.name, asked.driver, asked.connection, tuple(mapped), asked.guesses)
    return Found((device,) if mapped else (), tuple(unmapped))
