"""`uns apply`: make a plan true on the broker, and take it back."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.cli.address import broker_option

if TYPE_CHECKING:
    from uns.mqtt import Broker
    from uns.plan.application import Application
    from uns.plan.live import LiveTree
    from uns.plan.plan import Plan
    from uns.plan.snapshot import Snapshot
    from uns.project.project import Project

__all__ = ["apply"]

_DAYS = 30


@click.command(short_help="Make a plan true on the broker: definitions, aliases, ghosts.")
@click.argument("project", type=click.Path(exists=True, readable=False, path_type=Path))
@broker_option
@click.option(
    "--alias",
    "alias_days",
    type=click.IntRange(0, 3650),
    default=_DAYS,
    show_default=True,
    metavar="DAYS",
    help="How long topics that moved go on under their old names; 0 for not at all.",
)
@click.option(
    "--accept-break",
    "accepted",
    multiple=True,
    metavar="CODE",
    help="Do it although it breaks readers in this way; may be given again. The lock keeps it.",
)
@click.option("--clear-ghosts", is_flag=True, help="Also clear what `uns drift` calls ghosts.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--undo", is_flag=True, help="Take back the last application.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where is kept what --undo needs.  [default: PROJECT/.uns]",
)
@click.option("--json", "as_json", is_flag=True, help="The plan and what was done as JSON.")
def apply(  # noqa: PLR0917 - click passes them by name
    project: Path,
    broker: Broker,
    alias_days: int,
    accepted: tuple[str, ...],
    clear_ghosts: bool,
    dry_run: bool,
    undo: bool,
    yes: bool,
    state: Path | None,
    as_json: bool,
) -> None:
    """Make the tree ready for PROJECT as its files are now, and write PROJECT/uns.lock.

    Publishes the definitions that are new, keeps the old names of moved tags alive as aliases,
    and clears what is gone. What breaks readers is refused, unless `was:` tells of it or
    --accept-break names its code. `uns run` then serves tree and aliases.

    Exit code 0: done, or nothing to do, 1: refused, or it did not work.
    """
    from uns.service.apply import UNDO_FILE

    folder = project if project.is_dir() else project.parent
    undo_file = (state or folder / ".uns") / UNDO_FILE
    if undo:
        _undo(project, broker, undo_file, yes=yes, is_dry=dry_run)
        return
    _check_codes(accepted)
    work = _Work(project, broker, accepted, alias_days, clear_ghosts)
    if not as_json:
        work.tell()
    refused = work.plan.unaccepted(accepted)
    if refused:
        codes = " ".join(f"--accept-break {code}" for code in refused)
        click.echo(f"uns: refused: {', '.join(refused)}", err=True)
        click.echo(f"     say `was:`, keep what readers know, or accept it: {codes}", err=True)
        sys.exit(1)
    if work.is_needed and not dry_run:
        _ask("Publish this?", yes=yes)
        work.carry_out(undo_file)
    if as_json:
        click.echo(json.dumps(work.data(is_done=work.is_needed and not dry_run)))
    else:
        click.echo(work.sentence(is_done=not dry_run))
        if work.is_needed and not dry_run:
            click.echo("`uns run` serves it when it is started again", err=True)


class _Work:
    """One application: the plan, what it asks for, and what was there."""

    def __init__(
        self,
        path: Path,
        broker: Broker,
        accepted: tuple[str, ...],
        alias_days: int,
        clear_ghosts: bool,
    ) -> None:
        from uns.cli.former import Former, live_tree
        from uns.cli.project import loaded
        from uns.plan.application import application
        from uns.plan.plan import make_plan
        from uns.plan.readers import Readers
        from uns.plan.snapshot import Snapshot
        from uns.store.lockfile import lock_path, read_lock

        self.broker = broker
        self.lock_path = lock_path(path)
        project = loaded(path)
        lock = read_lock(self.lock_path)
        live = live_tree(project.enterprise, broker, project)
        where = f"the live tree on {broker.address}"
        self.former = (
            Former(self.lock_path.name, lock.snapshot, lock)
            if lock
            else Former(where, live.snapshot)
        )
        new = Snapshot.of(project.machines)
        self.kept = live.kept
        self.plan: Plan = make_plan(self.former.snapshot, new, Readers.of(project))
        self.made: Application = application(
            self.plan,
            project.machines,
            lock,
            self.kept,
            today=datetime.now(UTC).date(),
            alias_days=alias_days,
            accepted=accepted,
            ghosts=_ghosts(project, new, live) if clear_ghosts else (),
        )

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be published or written down."""
        before = self.former.lock.text if self.former.lock else ""
        return bool(self.made.messages) or before != self.made.lock.text

    def tell(self) -> None:
        """Show the plan."""
        from uns.cli.plan import tell

        tell(self.plan, self.former.name)

    def carry_out(self, undo_file: Path) -> None:
        """Do it."""
        from uns.service.apply import carry_out

        lock = self.former.lock
        asyncio.run(
            carry_out(
                self.made,
                self.broker,
                lock=self.lock_path,
                before=lock.text if lock else None,
                kept=self.kept,
                undo_file=undo_file,
            )
        )

    def data(self, *, is_done: bool) -> dict[str, object]:
        """Everything for JSON."""
        from uns.plan.report import as_data

        return {
            "from": self.former.name,
            **as_data(self.plan),
            "done": is_done,
            "published": len(self.made.messages),
            "cleared": self.made.cleared,
            "aliases": {
                a.old: {"to": a.new, "until": a.until.isoformat()}
                for a in self.made.lock.aliases.values()
            },
        }

    def sentence(self, *, is_done: bool) -> str:
        """What was done, or would be."""
        if not self.is_needed:
            return "nothing to do: every definition is as the project says; what is left over, `uns drift` shows"
        word = "applied" if is_done else "would apply"
        made = self.made
        parts = [f"{len(made.messages):,} messages", f"{len(made.lock.aliases):,} aliases"]
        return f"{word}: {', '.join(parts)}, {made.cleared:,} topics cleared; {self.lock_path}"


def _ghosts(project: Project, new: Snapshot, live: LiveTree) -> list[str]:
    """What `uns drift` calls so."""
    from uns.plan.drift import DeviationKind, deviations

    rules = project.sparkplug.foreign
    found = deviations(
        new, live, lambda device: any(rule.find(device) is not None for rule in rules)
    )
    return [one.topic for one in found if one.kind is DeviationKind.GHOST]


def _check_codes(codes: tuple[str, ...]) -> None:
    from uns.plan.difference import BREAKS

    for code in codes:
        if code not in BREAKS:
            raise click.BadParameter(
                f"`{code}` is none of {', '.join(BREAKS)}", param_hint="'--accept-break'"
            )


def _ask(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere --yes must have been given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give --yes, or --dry-run to look")
    click.confirm(question, abort=True, err=True)


def _undo(project: Path, broker: Broker, undo_file: Path, *, yes: bool, is_dry: bool) -> None:
    """Publish what was there before the last application, and put its lock back."""
    from uns.cli.former import live_tree
    from uns.errors import ProjectError
    from uns.plan.application import undone
    from uns.service.apply import publish, read_undo
    from uns.store.lockfile import lock_path, read_lock, replace_text

    undo = read_undo(undo_file)
    path = lock_path(project)
    lock = read_lock(path)
    # `git revert` brings back the lock of before with the files; so does an apply that broke off
    if (lock and lock.text) not in (undo.after, undo.before):
        raise ProjectError(
            f"{path} is not what the last `uns apply` wrote, so that cannot be undone",
            hint="take the project of before from git, and `uns apply` that",
        )
    enterprise = next(iter(undo.retained), "").partition("/")[0]
    messages = undone(undo, live_tree(enterprise, broker).kept) if enterprise else []
    if is_dry:
        click.echo(f"would undo: {len(messages):,} messages; {path}")
        return
    _ask("Undo the last application?", yes=yes)
    asyncio.run(publish(broker, messages))
    if undo.before is None:
        path.unlink(missing_ok=True)
    else:
        replace_text(path, undo.before)
    undo_file.unlink()
    click.echo(f"undone: {len(messages):,} messages; {path}")
