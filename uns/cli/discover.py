"""`uns discover`: a project drafted from what a device itself says that it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uns.cli.import_ import check_names, hand_over

if TYPE_CHECKING:
    from bridges.opcua.browse import BrowsedTag
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
@click.option("--user", default="", help="Who logs in.  [default: nobody]")
@click.option("--password", default="", help="Better as UNS_DISCOVER_PASSWORD.")
@click.option(
    "--most", type=click.IntRange(min=1), default=100_000, show_default=True,
    help="Refuse a server with more variables.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def discover(
    *, endpoint: str, output: Path | None, force: bool, enterprise: str, under: str, user: str,
    password: str, most: int, as_json: bool,
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

    from bridges.opcua.browse import browse
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
    tags = asyncio.run(browse(config, most))
    found = _found(endpoint, user, tags)
    title = f"Drafted by `uns discover {endpoint}`."
    made = draft(found, title=title, enterprise=enterprise, under=under.split("/"))
    hand_over(made, output, as_json=as_json, force=force)


def _found(endpoint: str, user: str, tags: list[BrowsedTag]) -> Found:
    from uns.importers.found import Device, Found, FoundTag, Unmapped
    from uns.importers.reading import read_type, read_unit, span_of
    from uns.units import of_opcua

    mapped: list[FoundTag] = []
    unmapped: list[Unmapped] = []
    for tag in tags:
        datatype = read_type(tag.kind) if tag.kind else None
        if tag.problem or datatype is None:
            why = tag.problem or f"its type `{tag.kind or 'unknown'}` has no counterpart"
            unmapped.append(Unmapped("/".join(tag.path), tag.address, why))
            continue
        known = of_opcua(tag.unit_id) if tag.unit_id is not None else None
        unit, guess = (known.code, "") if known else read_unit(tag.unit)
        mapped.append(
            FoundTag(
                tag.path,
                tag.address,
                datatype,
                unit,
                span_of(*tag.span) if tag.span else None,
                is_writable=tag.is_writable,
                origin="/".join(tag.path),
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
