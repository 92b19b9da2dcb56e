"""Assets: the things that stand at machines' places, one after the other and never two at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import date

from uns.equipment import Asset, Machine
from uns.project.findings import Findings
from uns.project.machine_words import AssetWords
from uns.project.parameters import Parameters
from uns.project.source import Written

__all__ = ["assets_of", "check_assets"]


def assets_of(
    words: Sequence[AssetWords], at: Written, parameters: Parameters, findings: Findings
) -> tuple[Asset, ...]:
    """The things that `asset:` names, oldest first."""
    found = []
    for number, said in enumerate(words):
        place = at.at(number) if at.at(number).is_written else at
        name = parameters.fill(said.id, place.at("id") if place.at("id").is_written else place)
        if name is None:
            continue
        if said.from_ and said.to and said.to < said.from_:
            message = f"`{name}` left on {said.to}, before it came on {said.from_}"
            findings.add(
                "UNS111", message, place.at("to"), hint="from is the first day, to the last"
            )
            continue
        found.append(Asset(str(name), said.from_, said.to))
    found.sort(key=_begin)
    for first, second in itertools.pairwise(found):
        if _meet(first, second):
            findings.add(
                "UNS243",
                f"`{first.id}` and `{second.id}` stand at one place at once",
                at,
                hint="say `to:` of the one that left and `from:` of the one that came",
                of_key=True,
            )
    return tuple(found)


def check_assets(
    machines: Sequence[Machine], places: Sequence[Written], findings: Findings
) -> None:
    """Warn of a thing that is at two places on the same day; `places` are the entries' own."""
    seen: dict[str, list[tuple[Asset, Machine, Written]]] = {}
    for machine, at in zip(machines, places, strict=True):
        for asset in machine.assets:
            others = seen.setdefault(asset.id, [])
            _warn_of_twins(asset, machine, at, others, findings)
            others.append((asset, machine, at))


def _warn_of_twins(
    asset: Asset,
    machine: Machine,
    at: Written,
    others: Iterable[tuple[Asset, Machine, Written]],
    findings: Findings,
) -> None:
    for other, elsewhere, there in others:
        if _meet(asset, other):
            findings.warn(
                "UNS243",
                f"`{asset.id}` is at `{elsewhere.topic}` and at `{machine.topic}` on the same day",
                at.at("asset"),
                hint='a number for each: `asset: "{serial}"`, or `from:` and `to:`',
                of_key=True,
                related=() if there.steps == at.steps else (("also here", there.at("asset")),),
            )
            return


def _begin(asset: Asset) -> date:
    return asset.since or date.min


def _meet(one: Asset, other: Asset) -> bool:
    """Whether there is a day that both stand there."""
    return _begin(one) <= (other.until or date.max) and _begin(other) <= (one.until or date.max)
