"""`uns init`: a project to begin with, commented, that `uns check` has nothing to say about."""

from __future__ import annotations

import json
from pathlib import Path

import click

from uns.cli.init_templates import STARTERS, starter

__all__ = ["init"]


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--template",
    type=click.Choice(list(STARTERS)),
    default="modbus",
    show_default=True,
    help="The protocol of its machine.",
)
@click.option("--enterprise", default="acme", show_default=True, help="The root of the tree.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as JSON.")
def init(folder: Path, template: str, enterprise: str, *, as_json: bool) -> None:
    """Start a project in FOLDER: one line, one machine, every word explained.

    Nothing that is there is written over. Then: `uns check FOLDER`, `uns sim FOLDER`.

    Exit code 0: it is written, 2: the folder has YAML files already.
    """
    from uns.hierarchy import name_problem

    if problem := name_problem(enterprise):
        raise click.UsageError(f"--enterprise: {problem}")
    there = sorted(folder.glob("*.y*ml")) if folder.exists() else []
    if there:
        raise click.UsageError(f"`{there[0]}` is there already; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plant.yaml"
    file.write_text(starter(template, enterprise), encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"file": str(file), "template": template}))
    click.echo(f"wrote {file}; next: uns check {folder}", err=True)
