"""`uns run`: a project against its real plant and broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.cli.address import brokers_option

if TYPE_CHECKING:
    from uns.mqtt import Broker

__all__ = ["run"]


@click.command(short_help="Run a project against its plant and broker.")
@click.argument("project", type=click.Path(exists=True, readable=False, path_type=Path))
@brokers_option
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
@click.option("--watch", is_flag=True, help="Take over changes of the project's files.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def run(
    *,
    project: Path,
    brokers: list[Broker],
    only: tuple[str, ...],
    select: tuple[str, ...],
    state: Path | None,
    watch: bool,
    verbose: int,
) -> None:
    """Run the bridges, the namespace and the routes of PROJECT until Ctrl-C.

    Devices and brokers may come and go; each connection and line recovers by itself. State
    (sequence numbers, the outbox) is kept in one directory. SIGHUP, or with --watch a change of
    a file, makes it read the project again: what did not change is not touched.
    """
    from uns.cli.project import counted, loaded, reread
    from uns.cli.talk import quiet, run_until_interrupt, talk
    from uns.service.reload import Reload
    from uns.service.runtime import Part, Runtime

    talk(verbose)
    found = loaded(project)
    folder = state or (project if project.is_dir() else project.parent) / ".uns"
    runtime = Runtime(
        found,
        brokers,
        folder,
        parts=[Part(name) for name in only] or tuple(Part),
        select=select,
    )
    click.echo(
        f"{found.enterprise}: {counted(len(found.machines), 'machine')}, "
        f"{counted(found.tag_count, 'tag')}, {counted(len(found.connections), 'connection')}; "
        f"{_named(brokers)}; Ctrl-C to leave",
        err=True,
    )
    reload = Reload(
        runtime,
        lambda: reread(project),
        watched=project if watch else None,
        say=lambda sentence: click.echo(sentence, err=True),
    )
    run_until_interrupt(reload.run_around(), on_leaving=quiet)


def _named(brokers: list[Broker]) -> str:
    names = ", then ".join(str(broker) for broker in brokers)
    return f"broker {names}" if len(brokers) == 1 else f"brokers {names}"
