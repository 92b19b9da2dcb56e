"""docs/reference/cli.md is what `uns --help` says, for every command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from uns.cli.main import COMMANDS, uns

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAD = """\
# The `uns` command

Generated from the commands themselves; `make docs` writes it anew.

Data goes to stdout, talk to stderr. Every option can be set by an environment variable:
`UNS_<COMMAND>_<OPTION>`; the broker's address also by `UNS_BROKER`. `NO_COLOR` is respected.

| exit code | means |
|---|---|
| 0 | fine |
| 1 | findings, or it did not work: stderr says what to do |
| 2 | the command line is wrong |
| 3 | `get`, `explain`: there is no such topic |
| 4 | `get`: the value is not Good |
| 27 | `get`, `watch`: nothing came in time |
| 130 | left with Ctrl-C before there was anything to say |
"""


def _page() -> str:
    parts = [HEAD]
    with click.Context(uns, info_name="uns") as parent:
        for name in COMMANDS:
            command = uns.get_command(parent, name)
            assert command is not None
            parts += _sections(parent, name, command, "##")
    return "\n".join(parts)


def _sections(parent: click.Context, name: str, command: click.Command, mark: str) -> list[str]:
    """A command's help, and that of the commands below it."""
    with click.Context(
        command, info_name=name, parent=parent, terminal_width=90, max_content_width=90
    ) as context:
        parts = [f"{mark} {context.command_path}\n```text\n{command.get_help(context)}\n```\n"]
        for below in command.commands.values() if isinstance(command, click.Group) else ():
            if not isinstance(below, click.Group):
                parts += _sections(context, str(below.name), below, f"{mark}#")
    return parts


def test_the_page_is_what_the_commands_say() -> None:
    """Every command's help stands in the reference as it is printed."""
    if os.environ.get("UPDATE"):
        PAGE.write_text(_page())
    assert PAGE.read_text() == _page()
