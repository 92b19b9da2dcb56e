"""`uns sim`: the simulated plant alone, for whoever wants to connect something else to it.

It is a command that has one below it: `uns sim PROJECT` serves, `uns sim fault …` hurts what runs.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uns.cli.sim_fault import fault

if TYPE_CHECKING:
    from uns.project.project import Project
    from uns.sim.plant import SimulatedPlant

__all__ = ["sim"]


class _OwnArgument(click.Argument):
    """An argument that is no part of the way to a command below."""

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        """What stands for it in a line of usage."""
        return super().get_usage_pieces(ctx) if isinstance(ctx.command, _Serving) else []


class _Serving(click.Group):
    """A command with an argument of its own, unless its first word is a command below it."""

    allow_interspersed_args = True

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the words after `uns sim`."""
        below = self.commands.get(args[0]) if args else None
        if below is None:
            return super().make_context(info_name, args, parent, **extra)
        own = click.Context(self, info_name=info_name, parent=parent)
        return below.make_context(below.name, args[1:], parent=own, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read options and PROJECT, as a command does that has none below it."""
        return click.Command.parse_args(self, ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Serve."""
        return click.Command.invoke(self, ctx)


@click.group(
    cls=_Serving, subcommand_metavar="", short_help="Serve a simulated plant for a project."
)
@click.argument(
    "project",
    cls=_OwnArgument,
    required=False,
    type=click.Path(exists=True, readable=False, path_type=Path),
)
@click.option("--seed", default=1, show_default=True, help="Another number is another plant.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 1000),
    help="How many times as fast the machines work.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was really made to this file; a plant that finds it goes on from there.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Files that are simulated, and the socket for faults.  [default: PROJECT/.uns]",
)
@click.option(
    "--duration", type=click.FloatRange(min=0), metavar="SECONDS", help="End after this long."
)
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def sim(
    *,
    project: Path | None,
    seed: int,
    speed: float,
    truth: Path | None,
    state: Path | None,
    duration: float | None,
    verbose: int,
) -> None:
    """Serve every machine of PROJECT over its own protocol, with machines that behave.

    Without PROJECT it is the demo plant. Devices of the project that are not at 127.0.0.1
    are served on free ports here, databases and files are made in PROJECT/.uns, as `uns run`
    reads them. Runs until Ctrl-C. SIGUSR1 lets every machine stop counting
    for good, so that books can be compared with the truth. `uns sim fault` hurts a device
    while it runs.
    """
    from uns.cli.project import loaded
    from uns.cli.talk import run_until_interrupt, talk
    from uns.sim.aurora import demo_project_folder
    from uns.sim.move import is_here, moved
    from uns.sim.plant import SimulatedPlant
    from uns.store.lock import only_user

    talk(verbose)
    found = loaded(project or demo_project_folder())
    served = found if is_here(found) else moved(found)
    where = project or demo_project_folder()
    home = state or (where if where.is_dir() else where.parent) / ".uns"
    plant = SimulatedPlant(served, seed=seed, speed=speed, truth_path=truth, home=home)
    with only_user(home, "plant"):
        run_until_interrupt(_serve(plant, served, home, duration))


sim.add_command(fault)


async def _serve(
    plant: SimulatedPlant, project: Project, home: Path, duration: float | None
) -> None:
    from uns.sim.control import controlled

    wound_down = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, wound_down.set)
    async with plant, controlled(plant.faults, home), asyncio.TaskGroup() as tasks:
        _introduce(plant, project)
        waiting = tasks.create_task(_wind_down(plant, wound_down), name="sim:wind-down")
        with suppress(TimeoutError):
            await asyncio.wait_for(plant.wait(), duration)
        waiting.cancel()


async def _wind_down(plant: SimulatedPlant, asked: asyncio.Event) -> None:
    await asked.wait()
    await plant.wind_down()
    click.echo("every machine has stopped counting", err=True)


def _introduce(plant: SimulatedPlant, project: Project) -> None:
    """Say on stderr what is simulated, and on stdout where each connection is served."""
    from uns.cli.project import counted

    click.echo(
        f"{project.enterprise}: {counted(len(project.machines), 'machine')}, "
        f"{counted(plant.tag_count, 'tag')} from "
        f"{counted(len(plant.endpoints), 'simulated device')}; Ctrl-C to leave",
        err=True,
    )
    width = max((len(key) for key in project.connections), default=0)
    for key in project.connections:
        served = [point for point in plant.endpoints if key in point.connections]
        where = f"{served[0].where}  {len(served[0].tags)} tags" if served else "not simulated"
        click.echo(f"{key:<{width}}  {where}")
