"""`uns explain`: where everything about a topic comes from, or the page about an error code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uns.cli.address import asked_broker_option

if TYPE_CHECKING:
    from uns.cli.explanation import Explanation
    from uns.cli.last_value import LastValue
    from uns.equipment import Machine, Tag
    from uns.mqtt import Broker
    from uns.project.lookup import Lookup
    from uns.project.project import Project

__all__ = ["explain", "pages"]

NOT_FOUND = 3
_CODE = re.compile(r"(?:UNS)?([0-9]{1,3})\Z", re.IGNORECASE)


def pages() -> dict[str, Path]:
    """The error pages by code: in a wheel below the package, in a checkout among the docs."""
    package = Path(__file__).parent.parent
    for folder in (package / "_data" / "errors", package.parent / "docs/reference/errors"):
        if found := sorted(folder.glob("UNS*.md")):
            return {page.stem: page for page in found}
    return {}


@click.command(short_help="Explain a topic, or an error code.")
@click.argument("what", metavar="[TOPIC|CODE]", required=False)
@click.argument(
    "project",
    default=".",
    type=click.Path(exists=True, readable=False, path_type=Path),
)
@asked_broker_option("Also ask this broker for the last value, and why it is not Good.")
@click.option("--json", "as_json", is_flag=True, help="Of a topic: everything as JSON.")
def explain(what: str | None, project: Path, broker: Broker | None, *, as_json: bool) -> int:
    """Explain a TOPIC of PROJECT (default: this folder), or an error CODE such as UNS101.

    Of a topic: the file and line of everything that was written about it, and what that
    replaces; where its value comes from, its scaling, its place in Sparkplug, its schema, and
    who reads it. The enterprise may be left out. Of a machine: its tags. With --broker also the
    value that the tree shows, and why it is not Good or not there at all.

    Without either, all codes are listed. Exit code 0: explained, 1: the project has mistakes,
    or there is no broker, 3: the project has no such topic; the nearest names are told.
    """
    if what is None or "/" not in what:
        _explain_code(what)
        return 0
    from uns.cli.project import loaded
    from uns.project.lookup import lookup

    plant = loaded(project)
    found = lookup(plant, what)
    if found.machine is None:
        return _not_there(plant, found, broker, as_json=as_json)
    if found.former:
        now = (found.tag or found.machine).topic
        click.echo(f"uns: `{found.topic}` is `{now}` now", err=True)
    if found.tag is None:
        _show_machine(found.machine, as_json=as_json)
        return 0
    _show(_explained(plant, project, found.machine, found.tag), broker, as_json=as_json)
    return 0


def _explain_code(code: str | None) -> None:
    known = pages()
    if code is None:
        for name, page in known.items():
            click.echo(f"{name}  {_title(page)}")
        return
    parsed = _CODE.match(code)
    name = f"UNS{int(parsed[1]):03}" if parsed else code
    if name not in known:
        raise click.UsageError(
            f"there is no error code `{code}`; `uns explain` lists them all "
            "(a topic has a `/` in it)"
        )
    click.echo(known[name].read_text(encoding="utf-8").rstrip())


def _title(page: Path) -> str:
    first = page.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").removeprefix(page.stem).lstrip(": ")


def _explained(plant: Project, folder: Path, machine: Machine, tag: Tag) -> Explanation:
    from uns.cli.explanation import Explanation
    from uns.project.load import read_library
    from uns.project.provenance import provenance

    origins = provenance(read_library(folder), machine, tag.name)
    return Explanation.of(plant, machine, tag, origins)


def _show(explanation: Explanation, broker: Broker | None, *, as_json: bool) -> None:
    from uns.cli.explanation import as_data, lines
    from uns.cli.last_value import last_value

    machine, tag = explanation.machine, explanation.tag
    if not as_json:
        for line in lines(explanation):
            click.echo(line)
    last = None
    if broker is not None:
        last = last_value(machine, tag, _retained(broker, tag.topic.text, machine))
    if as_json:
        asked = {"last": last.data} if last else {}
        click.echo(json.dumps(as_data(explanation) | asked, ensure_ascii=False, indent=2))
    elif last is not None:
        _show_last(last)


def _show_last(last: LastValue) -> None:
    from uns.cli.explanation import columns

    told: tuple[str, ...] = ("none: the broker shows nothing",)
    if last.vqt is not None:
        vqt = last.vqt
        detail = f"{vqt.quality} ({vqt.detail})" if vqt.detail else vqt.quality
        told = (f"{vqt.text} {vqt.unit}".rstrip(), detail, vqt.timestamp)
    for line in columns("value", [told]):
        click.echo(line)
    for line in columns("why", [(reason,) for reason in last.reasons]):
        click.echo(line)


def _retained(broker: Broker, topic: str, machine: Machine | None) -> dict[str, bytes]:
    """What the broker shows of the topic and of those that it depends on; raises BrokerError."""
    import asyncio
    import secrets

    from uns.cli.last_value import filters_of
    from uns.errors import BrokerError
    from uns.message import Message
    from uns.service.recall import recall

    found: dict[str, bytes] = {}

    def take(message: Message) -> None:
        found[message.topic] = message.payload

    name = f"uns-explain-{secrets.token_hex(4)}"
    end = f"{topic.partition('/')[0]}/_service/{name}/_recall"
    if not asyncio.run(recall(broker, name, filters_of(topic, machine), end, take)):
        raise BrokerError(
            f"{broker.address} did not come to an end with its retained messages",
            hint="is it overloaded? try again",
        )
    return found


def _show_machine(machine: Machine, *, as_json: bool) -> None:
    from uns.cli.explanation import machine_data, machine_lines

    if as_json:
        click.echo(json.dumps(machine_data(machine), ensure_ascii=False, indent=2))
        return
    for line in machine_lines(machine):
        click.echo(line)


def _not_there(plant: Project, found: Lookup, broker: Broker | None, *, as_json: bool) -> int:
    """Say who else has the topic, or what is there instead, on stderr; as JSON on stdout too."""
    from uns.cli.last_value import guest

    last = guest(found.topic, _retained(broker, found.topic, None)) if broker else None
    if as_json:
        asked = {"last": last.data} if last else {}
        click.echo(json.dumps({"topic": found.topic, "nearest": found.nearest, **asked}))
    near = ", ".join(f"`{topic}`" for topic in found.nearest)
    sentence = f"uns: the project has no `{found.topic}`"
    click.echo(f"{sentence}; nearest: {near}" if near else sentence, err=True)
    if last is not None:
        if not as_json:
            click.echo(found.topic)
            _show_last(last)
        return 0
    if plant.sparkplug.foreign:
        click.echo("it may be a foreign device's: see `sparkplug: foreign:`", err=True)
    return NOT_FOUND
