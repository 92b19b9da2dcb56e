"""`uns export`: what a project says, in the forms that other tools read."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["export"]

_TO = click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="A file to write instead of stdout."
)


@click.group()
def export() -> None:
    """Write what a project says in a form that other tools read.

    Everything comes from the project's files; nothing is asked or connected. Exit code 0:
    written, 1: the project has mistakes, or the file cannot be written.
    """


@export.command("project-schema", short_help="The project language, for editors.")
@_TO
def project_schema(output: Path | None) -> None:
    """The project language as JSON Schema, for completion and red lines in an editor.

    An editor is pointed to it by the first line of a YAML file,
    `# yaml-language-server: $schema=` and where the file is.
    """
    from uns.cli.catalogue import catalogue
    from uns.export.project_schema import project_schema as made

    _write(json.dumps(made(catalogue()), indent=1, ensure_ascii=False) + "\n", output)


def _write(text: str, output: Path | None) -> None:
    """Put it where it was asked for; what was written goes to stderr."""
    from uns.errors import ProjectError

    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ProjectError(
            f"`{output}` cannot be written: {error.strerror}", hint="is it a folder, or full?"
        ) from error
    click.echo(f"wrote {output}", err=True)
