"""`uns sparkplug`: commands for those who speak Sparkplug B."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import click

from uns.cli.address import broker_option

if TYPE_CHECKING:
    from uns.mqtt import Broker

__all__ = ["sparkplug"]


@click.group(short_help="Grade what speaks Sparkplug B on a broker.")
def sparkplug() -> None:
    """Commands for those who speak Sparkplug B."""


@sparkplug.command(short_help="Grade each edge node and host on a broker.")
@broker_option
@click.option(
    "-d",
    "--duration",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long to listen; Ctrl-C ends it sooner.",
)
@click.option(
    "--ask",
    is_flag=True,
    help="Ask each edge node for one rebirth, so that births are seen. Plants notice that.",
)
@click.option(
    "--primary-host",
    metavar="ID",
    default="",
    help="The host that all edge nodes wait for, where they do.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def check(broker: Broker, duration: float, *, ask: bool, primary_host: str, as_json: bool) -> None:
    """Listen to a broker, and grade each edge node and host by the specification's statements.

    Sparkplug B 3.0 has 299 statements with ids; every message is held against those that a
    listener can judge. Wills, subscriptions and DISCONNECTs are hidden from one: what depends
    on them is not seen. Nothing is published without --ask.

    \b
      uns sparkplug check --broker mqtt://plant:1883 --duration 60

    Exit code 0: nothing broke a MUST, 1: something did, or there is no broker.
    """  # noqa: D301 - click reads \b: do not wrap what follows
    from uns.cli.sparkplug_listener import Listener
    from uns.cli.sparkplug_report import as_document, show
    from uns.cli.talk import run_until_interrupt
    from uns.sparkplug.names import id_problem

    if math.isnan(duration):  # no range excludes it
        raise click.BadParameter("`nan` is no number of seconds", param_hint="--duration")
    if primary_host and (problem := id_problem(primary_host)):
        raise click.BadParameter(f"`{primary_host}`: {problem}", param_hint="--primary-host")
    listener = Listener(broker, primary_host=primary_host, asks=ask, is_quiet=as_json)
    run_until_interrupt(listener.listen(duration))
    report, seconds, losses = listener.monitor.report(), listener.listened_s, listener.losses
    if as_json:
        for piece in as_document(report, str(broker), seconds, losses):
            click.echo(piece, nl=False)
    else:
        show(report, str(broker), seconds, losses)
    if report.failures:
        sys.exit(1)
