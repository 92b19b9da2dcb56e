"""`uns import`: a project drafted from what other products know about the plant."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.importers import IMPORTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uns.importers.draft import Draft

__all__ = ["check_names", "hand_over", "import_"]

_SHOWN = 10  # lines of a list on the screen; the draft has them all
_LARGEST = 256 * 1024 * 1024  # bytes of one file


@click.command(
    name="import",
    epilog="\b\nKINDs:\n"
    + "\n".join(f"  {name:9} {what}" for name, (_, what) in IMPORTERS.items()),
)
@click.argument("kind", type=click.Choice(list(IMPORTERS)))
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Write FOLDER/draft.yaml.  [default: to stdout]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a draft that is there.")
@click.option("--enterprise", default="enterprise", show_default=True, help="The tree's root.")
@click.option(
    "--under", default="site/area/line", show_default=True, metavar="PATH",
    help="Site, area and line of machines whose files do not say them.",
)  # fmt: skip
@click.option("--driver", default="", metavar="NAME", help="What the devices speak.")
@click.option("--host", default="", metavar="HOST", help="Where the device is, if it is one.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def import_(
    *, kind: str, files: tuple[Path, ...], output: Path | None, enterprise: str, under: str,
    driver: str, host: str, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Draft a project from FILES that another product has written.

    Machines that repeat become one type, one binding and one entry. What was guessed is a
    comment beside it; what cannot be mapped is listed at the end of the draft and on stderr.

      uns import csv tags.xlsx --under leeds/packaging/line1 -o leeds

    Exit code 0: a draft was made and `uns check` finds no problem in it, 1: nothing could be
    read, or the draft needs your hand first.
    """
    from uns.cli.catalogue import catalogue
    from uns.importers import get_importer
    from uns.importers.draft import draft
    from uns.importers.found import Found
    from uns.importers.reading import Plant

    check_names(enterprise, under)
    drivers = catalogue().drivers
    if driver and driver not in drivers:
        raise click.UsageError(f"there is no driver `{driver}`; one of {', '.join(drivers)}")
    plant = Plant(drivers, driver, host)
    found = Found()
    for file in files:
        found = found.plus(get_importer(kind)(file.name, _read(file), plant))
    title = f"Drafted by `uns import {kind} {' '.join(file.name for file in files)}`."
    made = draft(found, title=title, enterprise=enterprise, under=under.split("/"))
    hand_over(made, output, as_json=as_json, force=force)


def check_names(enterprise: str, under: str) -> None:
    """Refuse what cannot be the root of a tree, or a line's path."""
    from uns.hierarchy import name_problem

    for name in (enterprise, *under.split("/")):
        if problem := name_problem(name):
            raise click.UsageError(f"`{name}`: {problem}")
    if len(under.split("/")) != 3:  # noqa: PLR2004 - ISA-95: site, area, line
        raise click.UsageError(f"--under is site/area/line, not `{under}`")


def _read(file: Path) -> bytes:
    from uns.importers.found import ImportFileError

    if file.stat().st_size > _LARGEST:
        raise ImportFileError(f"`{file}` is larger than {_LARGEST >> 20} MB", hint="split it")
    return file.read_bytes()


def hand_over(made: Draft, output: Path | None, *, as_json: bool, force: bool) -> None:
    """The draft to its file or to stdout, and what is to be said about it."""
    from uns.importers.found import ImportFileError

    if not made.machines:
        _list("not mapped", [str(one) for one in made.unmapped])
        raise ImportFileError("no tag could be mapped, so there is no draft", hint=_why(made))
    path = None
    if output is not None:
        path = output / "draft.yaml"
        if path.exists() and not force:
            raise click.UsageError(f"`{path}` is there already; --force writes over it")
        output.mkdir(parents=True, exist_ok=True)
        path.write_text(made.text, encoding="utf-8")
    problems = _problems(made)
    if as_json:
        _json(made, path, problems)
    elif path is None:
        click.echo(made.text, nl=False)
    _summary(made, path, problems)
    if problems:
        sys.exit(1)


def _why(made: Draft) -> str:
    return "see above for each" if made.unmapped else "the files have no tags"


def _problems(made: Draft) -> list[str]:
    """What `uns check` finds in the draft."""
    import tempfile

    from uns.cli.catalogue import catalogue
    from uns.project.load import load
    from uns.project.render import one_line

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "draft.yaml"
        file.write_text(made.text, encoding="utf-8")
        return [one_line(one) for one in load(file, catalogue()).errors]


def _summary(made: Draft, path: Path | None, problems: Sequence[str]) -> None:
    from uns.cli.project import counted

    parts = [
        counted(made.machines, "machine"),
        counted(made.types, "type"),
        counted(made.tags, "tag"),
    ]
    _list("guessed", made.guesses)
    _list("not mapped", [str(one) for one in made.unmapped])
    _list("to be put right", problems)
    where = f" in {path}" if path else ""
    lost = f", {len(made.unmapped)} not mapped" if made.unmapped else ""
    click.echo(f"{', '.join(parts)}{lost}{where}", err=True)


def _list(what: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    click.echo(f"{what}:", err=True)
    for line in lines[:_SHOWN]:
        click.echo(f"  {line}", err=True)
    if len(lines) > _SHOWN:
        click.echo(f"  … and {len(lines) - _SHOWN} more; the draft has them all", err=True)


def _json(made: Draft, path: Path | None, problems: Sequence[str]) -> None:
    report = {
        "file": str(path) if path else None,
        "draft": None if path else made.text,
        "machines": made.machines,
        "types": made.types,
        "tags": made.tags,
        "guesses": list(made.guesses),
        "unmapped": [
            {"origin": one.origin, "what": one.what, "why": one.why} for one in made.unmapped
        ],
        "problems": list(problems),
    }
    click.echo(json.dumps(report, indent=2, ensure_ascii=False))
