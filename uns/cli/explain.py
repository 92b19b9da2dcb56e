"""`uns explain`: the page about an error code."""

from __future__ import annotations

import re
from pathlib import Path

import click

__all__ = ["explain", "pages"]

_CODE = re.compile(r"(?:UNS)?([0-9]{1,3})\Z", re.IGNORECASE)


def pages() -> dict[str, Path]:
    """The error pages by code: in a wheel below the package, in a checkout among the docs."""
    package = Path(__file__).parent.parent
    for folder in (package / "_data" / "errors", package.parent / "docs/reference/errors"):
        if found := sorted(folder.glob("UNS*.md")):
            return {page.stem: page for page in found}
    return {}


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Explain error CODE, such as UNS101; without one, list all codes."""
    known = pages()
    if code is None:
        for name, page in known.items():
            click.echo(f"{name}  {_title(page)}")
        return
    parsed = _CODE.match(code)
    name = f"UNS{int(parsed[1]):03}" if parsed else code
    if name not in known:
        raise click.UsageError(f"there is no error code `{code}`; `uns explain` lists them all")
    click.echo(known[name].read_text(encoding="utf-8").rstrip())


def _title(page: Path) -> str:
    first = page.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").removeprefix(page.stem).lstrip(": ")
