"""`uns sim fault`: hurt a device of a simulated plant that runs, and heal it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from uns.sim.control import Request

__all__ = ["fault"]

_NEEDS = {  # what an amount is of each fault that has one, and an example
    "drop-tags": ("a share of its tags", "50%"),
    "skew": ("how far its clock is off", "+7m"),
    "slow": ("how much longer its answers take", "2s"),
}
_KINDS = ("hang", "cut", "restart", *_NEEDS)
_MOST_PLACES = 4  # where else a device is; the rest is counted


@click.command(
    short_help="Hurt a device of a simulated plant that runs.",
    context_settings={"ignore_unknown_options": True},  # `skew -7m`
)
@click.argument(
    "words", nargs=-1, required=True, metavar="PLACE FAULT [TIME] | list | heal [PLACE]"
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The state folder of the plant.  [default: the one plant of yours that runs]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was hit as JSON.")
def fault(*, words: tuple[str, ...], state: Path | None, as_json: bool) -> int:
    """Hurt devices of the plant that `uns sim` or `uns demo` runs, in another terminal.

    \b
        uns sim fault leeds/packaging/line2/filler hang 30s
        uns sim fault 'porto/*/filler' cut
        uns sim fault modbus://127.0.0.1:15021 slow 2s 1min
        uns sim fault list
        uns sim fault heal

    PLACE is a machine, a line or a site (every device that it is read from), a pattern with *,
    or the key of a connection. A device that serves other machines too is hit for them as well.

    \b
        hang [TIME]             accepts connections and answers nothing
        cut [TIME]              a pulled cable: no connect, no answer, nothing is closed
        restart [TIME]          drops its clients, and is back after 5 s
        drop-tags SHARE [TIME]  comes back at once without 50% of the place's tags
        skew [+|-]TIME [TIME]   its clock is off
        slow TIME [TIME]        every answer takes so much longer

    A fault ends by itself, after 30 s where no TIME is given; several may be on at once.
    docs/how-to/hurt-the-demo-plant.md says what each one shows.

    Exit code 0: done, 1: no plant, no such place, or no device that can have it.
    """  # noqa: D301 - click wants the character itself
    from uns.sim.control import ask

    request = _request(words)
    answer = ask(_socket(state), request)
    if as_json:
        import json

        click.echo(json.dumps(answer, indent=2))
    else:
        _print(answer, request.do)
    return 1 if request.do == "begin" and not answer["hits"] else 0


def _request(words: tuple[str, ...]) -> Request:
    """What was typed as a question to the plant; raises UsageError."""
    from uns.sim.control import Request

    if words[0] == "list" and len(words) == 1:
        return Request("list")
    if words[0] == "heal" and len(words) < 3:  # noqa: PLR2004 - heal and a place
        return Request("heal", words[1] if words[1:] else "")
    if len(words) == 1 or words[1] not in _KINDS:
        typed = f"`{words[1]}` is no fault" if words[1:] else f"what should happen to {words[0]}?"
        raise click.UsageError(f"{typed}; there are {', '.join(_KINDS)}")
    place, kind, *rest = words
    amount = 0.0
    if kind in _NEEDS:
        what, example = _NEEDS[kind]
        if not rest:
            raise click.UsageError(f"{kind} needs {what}: uns sim fault {place} {kind} {example}")
        amount = _share(rest[0]) if kind == "drop-tags" else _signed(rest[0], kind)
        del rest[0]
    if len(rest) > 1:
        raise click.UsageError(f"`{rest[1]}` is one word too many")
    return _begin(place, kind, amount, rest)


def _begin(place: str, kind: str, amount: float, rest: list[str]) -> Request:
    from uns.sim.control import Request
    from uns.sim.faults import DEFAULT_LASTS_S, Kind

    chosen = Kind(kind)
    lasts_s = _seconds(rest[0]) if rest else DEFAULT_LASTS_S[chosen]
    return Request("begin", place, chosen, lasts_s, amount)


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = 0.0
    if number == text or not 0 < share <= 1:
        raise click.UsageError(f"`{text}` is no share of the tags; for example 50%")
    return share


def _signed(text: str, kind: str) -> float:
    if kind != "skew":
        return _seconds(text)
    return -_seconds(text[1:]) if text.startswith("-") else _seconds(text.removeprefix("+"))


def _seconds(text: str) -> float:
    from uns.project.quantity import WordError, read_duration

    if not text[:1].isdigit():
        raise click.UsageError(f"`{text}` is not a time; for example 30s, 200ms, 2min")
    if text.replace(".", "").isdigit():
        raise click.UsageError(f"`{text}` has no unit of time; write {text}s for seconds")
    try:
        seconds = float(read_duration(text))
    except WordError as error:
        raise click.UsageError(f"{error}; {error.hint}") from None
    if not seconds:
        raise click.UsageError(f"`{text}` is no time at all")
    return seconds


def _socket(state: Path | None) -> Path:
    """Where the plant listens: in the folder that is named, or the only one that runs."""
    from uns.errors import DeviceError
    from uns.sim.control import SOCKET, running_plants

    if state is not None:
        return state / SOCKET
    found = running_plants()
    if not found:
        raise DeviceError(
            "no simulated plant of yours runs on this machine",
            hint="start one in another terminal: uns demo, or uns sim; "
            "one that was started elsewhere is named with --state",
        )
    if len(found) > 1:
        choices = ", ".join(f"--state {path.parent}" for path in found)
        raise DeviceError(f"{len(found)} simulated plants run here", hint=f"choose one: {choices}")
    return found[0]


def _print(answer: dict[str, Any], do: str) -> None:
    for name, why in answer["spared"].items():
        click.echo(f"{name} is spared: {why}", err=True)
    if not answer["hits"] and do != "begin":
        click.echo("nothing is wrong with any device", err=True)
    for hit in answer["hits"]:
        click.echo(_line(hit) if do != "heal" else f"{hit['device']}: {_named(hit)} has ended")
        if do == "begin":
            _print_more(hit)


def _line(hit: dict[str, Any]) -> str:
    import time

    until = time.strftime("%H:%M:%S", time.localtime(hit["until_ms"] / 1000))
    left = max(hit["until_ms"] / 1000 - time.time(), 0)
    return f"{hit['device']}: {_named(hit)} until {until} ({left:.0f} s), asked for {hit['place']}"


def _named(hit: dict[str, Any]) -> str:
    from uns.sim.faults import Fault, Kind

    told = hit["fault"]
    return str(Fault(Kind(told["kind"]), told["lasts_s"], told["amount"]))


def _print_more(hit: dict[str, Any]) -> None:
    """Whom else it hits, and which tags are gone."""
    lines = list(dict.fromkeys(machine.rpartition("/")[0] for machine in hit["also"]))
    if lines:
        more = f" and {len(lines) - _MOST_PLACES} more" if len(lines) > _MOST_PLACES else ""
        count = len(hit["also"])
        others = f"{count} other machine{'s' * (count > 1)}"
        click.echo(f"  it serves {others} too: {', '.join(lines[:_MOST_PLACES])}{more}", err=True)
    if hit["missing"]:
        first = ", ".join(topic.rpartition("/")[2] for topic in hit["missing"][:_MOST_PLACES])
        click.echo(f"  {len(hit['missing'])} tags are missing: {first} …", err=True)
