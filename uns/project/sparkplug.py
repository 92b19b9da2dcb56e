"""Sparkplug as a project has it: how to speak it, and the rules for devices of others."""

from __future__ import annotations

from dataclasses import dataclass, field

from uns.namespace.rule import ForeignRule
from uns.project.findings import Findings
from uns.project.foreign import rules_of
from uns.project.library import Library
from uns.project.nearest import find_nearest
from uns.project.sparkplug_words import BacklogWords, SparkplugWords

__all__ = ["Backlog", "Sparkplug", "sparkplug_of"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What edge nodes keep while nobody can take it, and how they hand it in afterwards."""

    max_bytes: int = 256_000_000
    max_age_s: float = 259_200.0
    per_second: int = 20_000  # of all edge nodes of a process together
    window_s: float = 15.0  # what was sent so lately may be lost when a connection breaks


@dataclass(frozen=True, slots=True)
class Sparkplug:
    """The project's word on Sparkplug. `profile` is `spec`, `ignition` or `node_red`."""

    primary_host: str = ""
    profile: str = "spec"
    is_broker_aware: bool = False
    backlog: Backlog = field(default_factory=Backlog)
    foreign: tuple[ForeignRule, ...] = ()


def sparkplug_of(library: Library, findings: Findings) -> Sparkplug:
    """What the files say together; what is wrong with the rules is in `findings`."""
    said = {key: entry.words for key, entry in library.sparkplug.items()}
    words = SparkplugWords.model_construct(**said)
    _check_host(library, findings)
    return Sparkplug(
        words.primary_host,
        words.profile,
        words.aware_broker,
        _backlog(words.backlog),
        rules_of(library, findings),
    )


def _check_host(library: Library, findings: Findings) -> None:
    """Warn of a primary host that looks like our own service and is not: edge nodes would wait."""
    entry = library.sparkplug.get("primary_host")
    if entry is None or library.enterprise is None:
        return
    ours = f"uns-{library.enterprise.words}"
    if entry.words != ours and find_nearest(entry.words, [ours], likeness=_A_SLIP):
        findings.warn(
            "UNS219",
            f"our own host application is `{ours}`, not `{entry.words}`",
            entry.at,
            hint=f"did you mean `{ours}`?",
        )


_A_SLIP = 0.75  # `uns-acem` for `uns-acme`; `scada` is another host


def _backlog(words: BacklogWords) -> Backlog:
    return Backlog(words.size, words.age, words.rate, words.window)
