"""`uns plan`: what a changed project would do to the tree, and whom it hits."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.cli.address import broker_option

if TYPE_CHECKING:
    from uns.mqtt import Broker
    from uns.plan.plan import Plan

__all__ = ["plan", "tell"]

CHANGES = 2


@click.command(short_help="Show what a changed project would do, and whom it hits.")
@click.argument("project", type=click.Path(exists=True, readable=False, path_type=Path))
@click.option(
    "--from",
    "source",
    metavar="live|git:REV|FILE",
    help="What to compare with: the live tree, a commit, a lock or another project.  "
    "[default: PROJECT/uns.lock; the live tree where there is none]",
)
@broker_option
@click.option(
    "--json", "as_json", is_flag=True, help="Everything as JSON: each topic, each reader."
)
@click.option(
    "--detailed-exitcode", "detailed", is_flag=True, help="Exit code 2 where there are changes."
)
def plan(
    project: Path, source: str | None, broker: Broker, *, as_json: bool, detailed: bool
) -> None:
    """Show what PROJECT, as its files are now, would do to the tree; nothing is changed.

    Tags that are added (+), deleted (-), moved (>), changed (~) and broken (!), what that does
    to schemas, message rate and retained messages, and which declared consumers, routes,
    formulae and alarms are hit. A rename is a move where `was:` says so, or where source and
    name agree.

    Exit code 0: shown, 1: the project or what it is compared with cannot be read;
    with --detailed-exitcode 2: there are changes.
    """
    from uns.cli.former import former
    from uns.cli.project import loaded
    from uns.plan.plan import make_plan
    from uns.plan.readers import Readers
    from uns.plan.report import as_data
    from uns.plan.snapshot import Snapshot

    gc.disable()  # it ends soon: to look for garbage among 50,000 tags takes a third of the time
    found = loaded(project)
    before = former(project, source, found, broker)
    made = make_plan(before.snapshot, Snapshot.of(found.machines), Readers.of(found))
    if as_json:
        click.echo(json.dumps({"from": before.name, **as_data(made)}, ensure_ascii=False))
    else:
        tell(made, before.name)
    if detailed and made.actions:
        sys.exit(CHANGES)


def tell(made: Plan, before: str) -> None:
    """Print a plan for people: the lines on stdout, what to do about it on stderr."""
    from uns.plan.report import advice, lines, summary

    click.echo(f"plan: {summary(made)} (from {before})")
    for line in lines(made):
        click.echo(line)
    for text in advice(made):
        click.echo(text, err=True)
