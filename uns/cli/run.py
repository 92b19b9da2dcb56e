"""`uns run`: a project against its real plant and broker."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["run"]


@click.command(short_help="Run a project against its plant and broker.")
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "-b",
    "--broker",
    default="mqtt://127.0.0.1:1883",
    show_default=True,
    envvar="UNS_BROKER",
    help="The broker's address.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(["bridges", "namespace", "routes"]),
    help="Run only this part; may be given again.",
)
@click.option(
    "--select", multiple=True, metavar="PATTERN", help="Only these machines: leeds/packaging/*."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where state is kept.  [default: PROJECT/.uns]",
)
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def run(
    *,
    project: Path,
    broker: str,
    only: tuple[str, ...],
    select: tuple[str, ...],
    state: Path | None,
    verbose: int,
) -> None:
    """Run the bridges, the namespace and the routes of PROJECT until Ctrl-C.

    Devices and brokers may come and go; each connection and line recovers by itself. State
    (sequence numbers, the outbox) is kept in one directory.
    """
    from uns.cli.project import loaded
    from uns.cli.talk import run_until_interrupt, talk
    from uns.mqtt import Broker
    from uns.service.runtime import Part, Runtime

    talk(verbose)
    found = loaded(project)
    folder = state or (project if project.is_dir() else project.parent) / ".uns"
    runtime = Runtime(
        found,
        Broker.parse(broker),
        folder,
        parts=[Part(name) for name in only] or tuple(Part),
        select=select,
    )
    click.echo(
        f"{found.enterprise}: {len(found.machines)} machines, {found.tag_count} tags, "
        f"{len(found.connections)} connections; broker {Broker.parse(broker)}; Ctrl-C to leave",
        err=True,
    )
    run_until_interrupt(runtime.run())
