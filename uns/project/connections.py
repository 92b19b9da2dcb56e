"""Connections: one for each device, shared by every tag that resolves to the same settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from uns.equipment import Connection
from uns.project.catalogue import Catalogue
from uns.project.diagnose import problems
from uns.project.findings import Findings
from uns.project.library import Entry
from uns.project.models import BindingWords
from uns.project.nearest import suggestion
from uns.project.parameters import Parameters
from uns.project.secrets import MissingSecretError, Secrets
from uns.project.source import Written

__all__ = ["Connections", "Link", "Settings"]

Settings = tuple[Mapping[str, Any], Written]  # what is written, and where


@dataclass(frozen=True, slots=True)
class Link:
    """A tag's way to its device: a connection's key, and the settings its address is read with.

    Settings that only say how addresses are read (a Modbus unit, an OPC UA namespace) are no
    part of a key, so one connection may be shared by links that differ in them.
    """

    key: str
    driver: Any
    config: Any
    parsed: dict[str, Any]  # addresses by text, shared by links that read them alike

    def parse(self, text: str) -> Any:
        """The address written as `text`; raises AddressError."""
        if text not in self.parsed:
            self.parsed[text] = self.driver.parse(text, self.config)
        return self.parsed[text]


class Connections:
    """The connections found so far, by key; equal keys are one connection."""

    def __init__(self, catalogue: Catalogue, secrets: Secrets, findings: Findings) -> None:
        self.by_key: dict[str, Connection] = {}
        self._catalogue = catalogue
        self._secrets = secrets
        self._findings = findings
        self._parsed: dict[tuple[str, ...], dict[str, Any]] = {}
        self._resolved: dict[tuple[str, str], Link | None] = {}

    def find_driver(self, binding: Entry[BindingWords]) -> Any:
        """The driver class of a binding, or None after it was reported."""
        name = binding.words.driver
        if name in self._catalogue.drivers:
            return self._catalogue.drivers[name]
        hint = suggestion(name, self._catalogue.drivers)
        at = binding.at.at("driver")
        self._findings.add("UNS103", f"there is no driver `{name}`", at, hint=hint)
        return None

    def find(
        self, binding: Entry[BindingWords], layers: list[Settings], parameters: Parameters
    ) -> Link | None:
        """The link that the layers of settings (the strongest last) come to."""
        driver = self.find_driver(binding)
        if driver is None:
            return None
        settings: dict[str, Any] = {}
        for written, at in layers:
            filled = self._fill(written, at, parameters)
            if filled is None:
                return None
            settings = _merge(settings, filled)
        known = (binding.words.driver, repr(settings))
        if known not in self._resolved:
            self._resolved[known] = self._connect(driver, binding, settings, layers)
        return self._resolved[known]

    def _fill(self, value: Any, at: Written, parameters: Parameters) -> Any:
        """`value` with its templates and secrets filled in; None after a problem."""
        if isinstance(value, dict):
            filled = {k: self._fill(v, at.at(k), parameters) for k, v in value.items()}
            broken = any(v is None and value[k] is not None for k, v in filled.items())
            return None if broken else filled
        if isinstance(value, list):
            return [self._fill(v, at.at(n), parameters) for n, v in enumerate(value)]
        text = parameters.fill(value, at)
        try:
            return self._secrets.resolve(text)
        except MissingSecretError as missing:
            self._findings.add("UNS107", str(missing), at, hint=missing.hint)
        return None

    def _connect(
        self,
        driver: Any,
        binding: Entry[BindingWords],
        settings: dict[str, Any],
        layers: list[Settings],
    ) -> Link | None:
        try:
            config = driver.Config.model_validate(settings)
        except ValidationError as error:
            self._report(driver.Config, error, layers)
            return None
        key = config.key() + config.runtime_key()
        if key not in self.by_key:
            place = binding.at.at("connection").place
            self.by_key[key] = Connection(key, binding.words.driver, config, place)
        return Link(key, driver, config, self._addresses(binding.words.driver, driver, config))

    def _addresses(self, name: str, driver: Any, config: Any) -> dict[str, Any]:
        """The addresses parsed so far with settings that read them the same way."""
        settings = getattr(driver, "ADDRESS_SETTINGS", None)
        if settings is None:
            return {}
        alike = (name, *(repr(getattr(config, setting)) for setting in sorted(settings)))
        return self._parsed.setdefault(alike, {})

    def _report(self, model: Any, error: ValidationError, layers: list[Settings]) -> None:
        """Point at the layer that wrote the setting, and show no secret."""
        for one in error.errors(include_url=False):
            at = _written_by(layers, one["loc"])
            for found in problems(model, [one], at):
                hidden = self._secrets.hide(found.message)
                self._findings.extend([dataclasses.replace(found, message=hidden)])


def _written_by(layers: list[Settings], loc: tuple[str | int, ...]) -> Written:
    """The strongest layer that wrote what `loc` names; else the first one."""
    for _, at in reversed(layers):
        if loc and at.at(loc[0]).is_written:
            return at
    return layers[0][1]


def _merge(weak: dict[str, Any], strong: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge, everything else is replaced."""
    merged = dict(weak)
    for key, value in strong.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both and below is not None else value
    return merged
