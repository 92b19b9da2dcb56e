"""`uns discover`: a project drafted from what a device itself says that it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uns.cli.import_ import check_names, hand_over

if TYPE_CHECKING:
    from bridges.driver import BrowsedNode
    from bridges.opcua.config import OpcUaConfig
    from uns.importers.found import Found

__all__ = ["discover"]


@click.command()
@click.argument("endpoint", metavar="opc.tcp://HOST:PORT")
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
    help="Only what is there: /Objects/Line1, a glob such as /Objects/Line*/**, or a node id.",
)  # fmt: skip
@click.option("--user", default="", help="Who logs in.  [default: nobody]")
@click.option("--password", default="", help="Better as UNS_DISCOVER_PASSWORD.")
@click.option(
    "--most", type=click.IntRange(min=1), default=100_000, show_default=True,
    help="Refuse a server with more variables.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def discover(
    *, endpoint: str, output: Path | None, force: bool, enterprise: str, under: str, below: str,
    user: str, password: str, most: int, as_json: bool,
) -> None:  # fmt: skip
    """Browse an OPC UA server and draft a project from its variables.

    Types, units, ranges and access are the server's; objects are machines, folders the levels
    above them. Reads only. Other protocols cannot be asked what they have: a Modbus device
    answers for registers that mean nothing.

      uns discover opc.tcp://10.1.1.20:4840 --under leeds/packaging/line1 -o leeds

    Exit code 0: a draft was made and `uns check` finds no problem in it, 1: no server, or
    nothing to draft.
    """
    import asyncio

    from pydantic import ValidationError

    from bridges.opcua.config import OpcUaConfig
    from uns.cli.talk import quiet
    from uns.importers.draft import draft

    check_names(enterprise, under)
    words: dict[str, Any] = {"endpoint": endpoint}
    if user:
        words["auth"] = {"user": user, "password": password}
    try:
        config = OpcUaConfig(**words)
    except ValidationError as error:
        raise click.UsageError(str(error.errors()[0]["msg"])) from None
    quiet()
    tags = asyncio.run(_browsed(config, below, most))
    found = _found(endpoint, user, tags)
    title = f"Drafted by `uns discover {endpoint}`."
    made = draft(found, title=title, enterprise=enterprise, under=under.split("/"))
    hand_over(made, output, as_json=as_json, force=force)


async def _browsed(config: OpcUaConfig, below: str, most: int) -> list[BrowsedNode]:
    """Connect, browse, leave; refuses a server with more than `most` variables."""
    from bridges.opcua.driver import OpcUaDriver
    from uns.errors import DeviceError

    driver = OpcUaDriver(config)
    nodes: list[BrowsedNode] = []
    try:
        await driver.open()
        async for node in driver.browse(below):
            nodes.append(node)
            if len(nodes) > most:
                raise DeviceError(
                    f"the server has more than {most:,} variables",
                    hint="raise --most if you want all, or say --below",
                )
    finally:
        await driver.close()
    return nodes


def _found(endpoint: str, user: str, nodes: list[BrowsedNode]) -> Found:
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
    connection: dict[str, Any] = {"endpoint": endpoint}
    guesses: tuple[str, ...] = ()
    if user:
        connection["auth"] = {"user": user, "password": "${env:OPCUA_PASSWORD}"}
        guesses = ("the password is that of the environment: set OPCUA_PASSWORD",)
    device = Device("server", "opcua", connection, tuple(mapped), guesses)
    return Found((device,) if mapped else (), tuple(unmapped))
