"""The `uns` command: a list of its commands, each imported only when it is used."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from uns import __version__
from uns.errors import UnsError

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": ("uns.cli.demo:demo", "Run a simulated bottling plant and everything above it."),
    "check": ("uns.cli.check:check", "Find every mistake in a project's YAML files."),
    "run": ("uns.cli.run:run", "Run a project against its plant and broker."),
    "watch": ("uns.cli.watch:watch", "Print values live as they change."),
    "get": ("uns.cli.get:get", "Print one value."),
    "sim": ("uns.cli.sim:sim", "Serve a simulated plant for a project."),
    "explain": ("uns.cli.explain:explain", "Explain an error code."),
}

_START_HERE = """\
Start here:
  uns demo              a whole plant in one process; then, in another terminal:
  uns watch 'aurora/#'  its values, live
  uns check PROJECT     your own YAML, every mistake at once
"""


class LazyGroup(click.Group):
    """A command group that imports a command when it is asked for, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called `cmd_name`."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "UNS"},
    epilog=_START_HERE.replace("\n", "\n\n"),
)
@click.version_option(__version__, prog_name="uns")
@click.pass_context
def uns(ctx: click.Context) -> None:
    """The Unified Namespace layer: PLC tags become ISA-95 topics and enterprise messages."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """Run the command line; what the product raises on purpose becomes one sentence."""
    try:
        code = uns.main(standalone_mode=False, prog_name="uns")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except UnsError as error:
        _say(error)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _say(error: UnsError) -> None:
    click.echo(f"uns: {error}", err=True)
    if error.hint:
        click.echo(f"     {error.hint}", err=True)
