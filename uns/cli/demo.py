"""`uns demo`: a whole plant and everything above it, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.cli.address import DEMO_BROKERS, kind_or_address

if TYPE_CHECKING:
    from uns.project.project import Project
    from uns.sim.demo import Demo, DemoSettings, Summary

__all__ = ["demo"]


@click.command(short_help="Run a simulated bottling plant and everything above it.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop by itself after this long.",
)
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    metavar="P",
    help="MQTT port; 0 takes a free one.  [default: 1883, else a free one]",
)
@click.option(
    "--broker",
    callback=kind_or_address,
    metavar="KIND|URL",
    default="embedded",
    show_default=True,
    help="embedded, mosquitto (where it is installed), or the address of yours.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another plant life.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 1000),
    default=1.0,
    show_default=True,
    help="How many times as fast the machines work.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep state and the plant's truth here.  [default: a temporary folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def demo(
    *,
    duration: float | None,
    port: int | None,
    broker: str,
    seed: int,
    speed: float,
    state: Path | None,
    as_json: bool,
    verbose: int,
) -> int:
    """Run Aurora Drinks, a plant of two sites, and everything above it.

    Real OPC UA and Modbus servers, a broker, the namespace, and a route that confirms
    production to a stand-in for an ERP. At the end the machines stop, the last confirmations
    leave, and what the ERP knows is compared with what the plant really made.

    Exit code 0: they agree, 1: they differ, or it did not start.
    """
    import tempfile

    from uns.cli.talk import run_until_interrupt, talk
    from uns.sim.demo import DemoSettings

    if port is not None and broker not in DEMO_BROKERS:
        raise click.UsageError("--port is for a broker that the demo starts; leave out one of both")
    talk(verbose)
    ends: list[Summary] = []
    with tempfile.TemporaryDirectory(prefix="uns-demo-") as folder:
        settings = DemoSettings(state or Path(folder), port, broker, seed, speed)
        run_until_interrupt(_run(settings, duration, as_json=as_json, ends=ends))
    if not ends:
        return 130
    if as_json:
        _print_json(ends[0])
    else:
        _print_end(ends[0])
    return 1 if ends[0].differences else 0


async def _run(
    settings: DemoSettings, duration: float | None, *, as_json: bool, ends: list[Summary]
) -> None:
    """Run until `duration` is over or the task is cancelled; put the last summary into `ends`."""
    import asyncio

    from uns.cli.talk import quiet
    from uns.sim.demo import Demo

    async with Demo.open(settings, _load) as running:
        _greet(running)
        try:
            async with asyncio.timeout(duration):
                await _show(running, live=not as_json)
        except TimeoutError:
            ends.append(await running.wind_down())
            quiet()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            click.echo(
                "\nleaving in some seconds: the machines stop, the last confirmations go out; Ctrl-C ends at once",
                err=True,
            )
            ends.append(await running.wind_down())
            quiet()


def _load(environment: Mapping[str, str]) -> Project:
    from uns.cli.project import loaded
    from uns.sim.aurora import demo_project_folder

    return loaded(demo_project_folder(), environment=environment)


def _greet(running: Demo) -> None:
    from uns.mqtt import Broker

    enterprise = running.project.enterprise
    url = str(Broker.parse(running.url))  # without the password
    option = "" if url.endswith("//127.0.0.1:1883") else f" -b {url}"
    for line in (
        *running.notes,
        f"MQTT    {url}",
        f"ERP     {running.erp.url}",
        f"look    uns watch '{enterprise}/#'{option}",
        f"        uns get {running.project.machines[0].topic}/speed{option}",
        "leave   Ctrl-C",
    ):
        click.echo(line, err=True)


async def _show(running: Demo, *, live: bool) -> None:
    """Refresh the live summary once a second on a terminal; elsewhere a line every ten."""
    import asyncio

    from rich.console import Console
    from rich.live import Live

    from uns.cli.demo_screen import screen

    console = Console(stderr=True)
    if not live or not console.is_terminal:
        await _print_lines(running)
        return
    first = screen(running.summary(), running, console.width)
    with Live(first, console=console, refresh_per_second=2) as shown:
        while True:
            await asyncio.sleep(1)
            running.check()
            shown.update(screen(running.summary(), running, console.width))


async def _print_lines(running: Demo) -> None:
    import asyncio

    turn = 0
    while True:
        await asyncio.sleep(1)
        running.check()
        now = running.summary()
        turn += 1
        if turn % 10 == 0:
            click.echo(_line(now), err=True)


def _line(now: Summary) -> str:
    return (
        f"{now.seconds:6.0f} s  {now.machines_online}/{now.machines} machines  "
        f"{now.topics_live}/{now.topics} topics live  {now.values_out} values  "
        f"{now.confirmations} confirmations of {now.orders} orders: "
        f"{now.good} good, {now.bad} bad"
    )


def _print_json(end: Summary) -> None:
    import json
    from dataclasses import asdict

    click.echo(json.dumps(asdict(end), indent=2))


def _print_end(end: Summary) -> None:
    click.echo(_line(end))
    for sentence in end.differences:
        click.echo(f"differs: {sentence}")
    click.echo(end.verdict)
