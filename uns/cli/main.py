"""The `uns` command: a list of its commands, each imported only when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from uns import __version__
from uns.errors import UnsError

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": ("uns.cli.demo:demo", "Run a simulated bottling plant and everything above it."),
    "init": ("uns.cli.init:init", "Start a project: one machine, every word explained."),
    "check": ("uns.cli.check:check", "Find every mistake in a project's YAML files."),
    "plan": ("uns.cli.plan:plan", "Show what a changed project would do, and whom it hits."),
    "discover": ("uns.cli.discover:discover", "Draft a project from an OPC UA server."),
    "stamp": ("uns.cli.stamp:stamp", "Write the next line as the last one is."),
    "import": ("uns.cli.import_:import_", "Draft a project from another product's files."),
    "apply": ("uns.cli.apply:apply", "Make a plan true on the broker: definitions, aliases."),
    "drift": ("uns.cli.drift:drift", "Show where the live tree is not what a project says."),
    "run": ("uns.cli.run:run", "Run a project against its plant and broker."),
    "watch": ("uns.cli.watch:watch", "Print values live as they change."),
    "get": ("uns.cli.get:get", "Print one value."),
    "sim": ("uns.cli.sim:sim", "Serve a simulated plant for a project."),
    "broker": ("uns.cli.broker:broker", "Write a broker's configuration."),
    "sparkplug": ("uns.cli.sparkplug:sparkplug", "Grade what speaks Sparkplug B on a broker."),
    "export": ("uns.cli.export:export", "Write a project for other tools: CSV, schemas, pictures."),
    "explain": ("uns.cli.explain:explain", "Explain a topic, or an error code."),
}

_START_HERE = """\
Start here:
  uns demo              a whole plant in one process
  uns watch 'aurora/#'  its values, live, in another terminal
  uns check PROJECT     your own YAML, every mistake at once
"""
_NO_WRAP = "\b\n"  # click: the paragraph that follows is printed as it stands


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that is not there is answered with the nearest that is."""
        from difflib import get_close_matches

        name = args[0]
        near = [] if name in COMMANDS or name.startswith("-") else get_close_matches(name, COMMANDS)
        if near:
            ctx.fail(f"there is no command `{name}`; did you mean `{near[0]}`?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "UNS"},
    epilog=_NO_WRAP + _START_HERE,
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
    except Exception as error:
        if os.environ.get("UNS_TRACEBACK"):
            raise
        for one in _leaves(error):
            _say(one)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _leaves(error: Exception) -> list[Exception]:
    """What really happened, where tasks that ran together wrapped it into groups."""
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]


def _say(error: Exception) -> None:
    if isinstance(error, UnsError):
        sentence, hint = str(error), error.hint
    elif isinstance(error, OSError):
        sentence, hint = str(error), "is the disk full, or may this user not write there?"
    else:
        sentence = f"ended on a mistake of ours: {type(error).__name__}: {error}"
        hint = "please report it, with what is printed when UNS_TRACEBACK=1 is set"
    click.echo(f"uns: {sentence}", err=True)
    if hint:
        click.echo(f"     {hint}", err=True)
