"""The ends: brokers and targets, whose settings may hold secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from uns.project.catalogue import Catalogue
from uns.project.diagnose import problems
from uns.project.findings import Findings
from uns.project.library import Library
from uns.project.nearest import suggestion
from uns.project.secrets import MissingSecretError, Secrets
from uns.project.source import Written

__all__ = ["brokers_of", "resolve", "targets_of"]

_SCHEMES = ("mqtt", "mqtts")


def brokers_of(library: Library, secrets: Secrets, findings: Findings) -> dict[str, str]:
    """The brokers' URLs by name."""
    found = {}
    for name, entry in library.brokers.items():
        url = resolve(entry.words, entry.at, secrets, findings)
        if url is None:
            continue
        scheme, has_scheme, rest = url.partition("://")
        if scheme not in _SCHEMES or not has_scheme or not _has_host(rest):
            shown = secrets.hide(url)
            findings.add(
                "UNS109",
                f"`{shown}` is not a broker's address",
                entry.at,
                hint="for example `mqtt://127.0.0.1:1883`, or `mqtts://…` with TLS",
            )
            continue
        found[name] = url
    return found


def _has_host(rest: str) -> bool:
    try:
        parts = urlsplit(f"//{rest}")
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def targets_of(
    library: Library, catalogue: Catalogue, secrets: Secrets, findings: Findings
) -> dict[str, Any]:
    """Each target's settings as an instance of its own model, by name."""
    found = {}
    for name, entry in library.targets.items():
        kind = entry.words.get("type")
        if kind is None:
            findings.add("UNS102", "`type` is required here", entry.at, of_key=True)
            continue
        if not isinstance(kind, str) or kind not in catalogue.targets:
            hint = suggestion(str(kind), catalogue.targets)
            at = entry.at.at("type")
            findings.add("UNS103", f"there is no type of target `{kind}`", at, hint=hint)
            continue
        settings = resolve(entry.words, entry.at, secrets, findings)
        if settings is None:
            continue
        model = catalogue.targets[kind].Config
        try:
            found[name] = model.model_validate(settings)
        except ValidationError as error:
            for one in problems(model, error.errors(include_url=False), entry.at):
                hidden = secrets.hide(one.message)
                findings.extend([replace(one, message=hidden)])
    return found


def resolve(value: Any, at: Written, secrets: Secrets, findings: Findings) -> Any:
    """`value` with its secrets put in; None after one was missing and reported."""
    if isinstance(value, Mapping):
        resolved = {k: resolve(v, at.at(k), secrets, findings) for k, v in value.items()}
        broken = any(v is None and value[k] is not None for k, v in resolved.items())
        return None if broken else resolved
    if isinstance(value, list):
        return [resolve(v, at.at(n), secrets, findings) for n, v in enumerate(value)]
    try:
        return secrets.resolve(value)
    except MissingSecretError as missing:
        findings.add("UNS107", str(missing), at, hint=missing.hint)
    return None
