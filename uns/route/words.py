"""The words of `targets`, `templates` and `routes`, as engineers write them in YAML.

Texts may hold `{param}` places; they are filled when a template is stamped on a machine
(uns/route/stamp.py), so a number may still be a text here.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CounterWords",
    "ForEachWords",
    "RouteWords",
    "TargetWords",
    "TemplateWords",
    "TriggerWords",
]

ParamWord = bool | int | float | str


class _Words(BaseModel):
    """One mapping of a project file: an unknown key is a mistake, not a comment."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetWords(_Words):
    """What every target has; each type of target adds its own words (uns/target)."""

    type: str = Field(description="The kind of target: `http`, `file` …")
    desc: str = Field("", description="What this target is, for people.")


class CounterWords(_Words):
    """The trigger `counter`: totals of counters that never stop, counted per order."""

    tags: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="Name in expressions (`total.good`) to the counter's tag below the machine."
    )
    order: str | None = Field(
        None, description="The tag that holds the id of the running order; totals are per order."
    )
    since: dict[str, str] = Field(
        default_factory=dict,
        description="Name of a counter to the tag that holds what it read when the order began.",
    )
    every: int | float | str = Field(
        1, description="A message each time the counters together have counted this many more."
    )
    at_most: int | float | str = Field(
        "10s", description="No change waits longer than this for its message: `10s`, `5m`."
    )
    settle: int | float | str = Field(
        "2s", description="After an order change, wait until order and starts were still this long."
    )


class TriggerWords(_Words):
    """What starts a message; exactly one kind."""

    counter: CounterWords = Field(description="Counted pieces, per order.")


class TemplateWords(_Words):
    """A route that is written once and stamped on every machine of a class."""

    desc: str = Field("", description="What this template is for, for people.")
    params: dict[str, ParamWord] = Field(
        default_factory=dict, description="Values that a route may change by `with`, and defaults."
    )
    trigger: TriggerWords = Field(description="What starts a message.")
    when: bool | str = Field(True, description="An expression; no message where it is not true.")
    key: str = Field(
        "= machine", description="The lane: messages of the same key are delivered in order."
    )
    id: str = Field(
        description="The message's identity, from what happened and never from a clock; "
        "a target does nothing for an id that it has seen."
    )
    message: str = Field(description="The schema of the message, for example `job_response`.")
    map: dict[str, Any] = Field(
        description="The message; a text that begins with `=` is an expression."
    )
    deliver: Annotated[list[str], Field(min_length=1)] = Field(
        description="The targets, by name; each gets every message, independent of the others."
    )


class ForEachWords(_Words):
    """Which machines a template is stamped on."""

    class_: str = Field(
        alias="class", description="The type of the machine, or any type that it extends."
    )
    select: str | None = Field(
        None, description="Only machines whose topic matches this filter: `acme/leeds/#`."
    )


class RouteWords(_Words):
    """One use of a template."""

    use: str = Field(description="The template's name.")
    for_each: ForEachWords = Field(description="Which machines; a new line needs no new route.")
    with_: dict[str, ParamWord] = Field(
        default_factory=dict, alias="with", description="Values for the template's params."
    )
    name: str | None = Field(
        None, description="A name for this use in health and logs; the template's where absent."
    )
