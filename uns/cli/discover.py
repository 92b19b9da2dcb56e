"""`uns discover`: a project drafted from what a device itself says that it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from uns.cli.import_ import check_names, hand_over

if TYPE_CHECKING:
    from bridges.driver import BrowsedNode, Driver
    from uns.importers.found import Found

__all__ = ["discover"]


@click.command()
@click.argument("endpoint", metavar="URL")
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
@click.option("--user", default="", help="Who logs in.  [default: nobody]")
@click.option("--password", default="", help="Better as UNS_DISCOVER_PASSWORD.")
@click.option(
    "--most", type=click.IntRange(min=1), default=100_000, show_default=True,
    help="Refuse a device with more variables.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def discover(
    *, endpoint: str, output: Path | None, force: bool, enterprise: str, under: str, below: str,
    user: str, password: str, most: int, as_json: bool,
) -> None:  # fmt: skip
    """Browse an OPC UA server or a Logix controller and draft a project from its variables.

    URL is opc.tcp://HOST:PORT, or logix://HOST/SLOT. Types, units, ranges and access are the
    device's, as far as its protocol has them; objects and structures are machines, folders and
    programs the levels above them. Reads only. Other protocols cannot be asked what they have: a
    Modbus device answers for registers that mean nothing.

      uns discover opc.tcp://10.1.1.20:4840 --under leeds/packaging/line1 -o leeds

    Exit code 0: a draft was made and `uns check` finds no problem in it, 1: no device, or
    nothing to draft.
    """
    import asyncio

    from pydantic import ValidationError

    from bridges import get_driver
    from uns.cli.talk import quiet
    from uns.importers.draft import draft

    check_names(enterprise, under)
    asked = _asked(endpoint, user)
    secret = {"auth": {"user": user, "password": password}} if user else {}
    driver_class = get_driver(asked.driver)
    try:
        config = driver_class.Config(**{**asked.connection, **secret})
    except ValidationError as error:
        raise click.UsageError(str(error.errors()[0]["msg"])) from None
    quiet()
    nodes = asyncio.run(_browsed(driver_class(config), below, most))
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


def _asked(url: str, user: str) -> _Asked:
    """The device at a URL; anything that is no `logix://` is taken for an OPC UA server."""
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
        mapped.append(
            FoundTag(
                node.path,
                node.address,
                node.datatype,
                unit,
                span_of(node.low, node.high),
                is_writable=node.is_writable,
                origin="/".join(node.path),
                guesses=(guess,) if guess else (),
            )
        )
    device = Device(asked.name, asked.driver, asked.connection, tuple(mapped), asked.guesses)
    return Found((device,) if mapped else (), tuple(unmapped))
