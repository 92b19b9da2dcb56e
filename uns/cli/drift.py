"""`uns drift`: where the live tree is not what the project says."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.cli.address import broker_option

if TYPE_CHECKING:
    from uns.mqtt import Broker

__all__ = ["drift"]


@click.command(short_help="Show where the live tree is not what a project says.")
@click.argument("project", type=click.Path(exists=True, readable=False, path_type=Path))
@broker_option
@click.option("--json", "as_json", is_flag=True, help="Every topic as JSON.")
def drift(project: Path, broker: Broker, *, as_json: bool) -> None:
    """Compare PROJECT with what its broker shows now; nothing is changed.

    Declared tags that are silent or stale, tags that are alive and in no file, definitions that
    say another type or unit, and ghosts: what is retained of things that are gone.

    Exit code 0: they agree, 1: they do not, or one of them cannot be read.
    """
    from uns.cli.former import live_tree
    from uns.cli.project import loaded
    from uns.plan.drift import deviations, drift_lines, drift_summary
    from uns.plan.snapshot import Snapshot

    found = loaded(project)
    live = live_tree(found.enterprise, broker, found)
    rules = found.sparkplug.foreign
    deviating = deviations(
        Snapshot.of(found.machines),
        live,
        lambda device: any(rule.find(device) is not None for rule in rules),
    )
    if as_json:
        rows = [{**asdict(one), "kind": str(one.kind)} for one in deviating]
        click.echo(json.dumps({"drift": rows}, ensure_ascii=False))
    else:
        click.echo(f"drift: {drift_summary(deviating)} (on {broker.address})")
        for line in drift_lines(deviating):
            click.echo(line)
        if live.aliases:
            click.echo(f"{len(live.aliases):,} topics are aliases of others for a while", err=True)
    if deviating:
        sys.exit(1)
