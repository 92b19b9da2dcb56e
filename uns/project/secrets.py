"""Secrets: `${env:NAME}`, `${env:NAME:-default}` and `${file:path}`, put in when a project loads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["MissingSecretError", "Secrets"]

_SECRET = re.compile(r"\$\{([a-z]+):([^{}]*)\}")
_DEFAULT = ":-"
_LARGEST = 65_536  # a key or certificate is a few kilobytes; more is the wrong file


class MissingSecretError(ValueError):
    """A secret that is not where the project says; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where secrets are looked up; relative file names start at the project's folder."""

    environment: Mapping[str, str]
    folder: Path
    _read: dict[str, str] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def resolve(self, value: Any) -> Any:
        """`value` with its secrets put in, once; raises MissingSecretError."""
        if not isinstance(value, str) or "${" not in value:
            return value
        return _SECRET.sub(self._one, value)

    def hide(self, text: str) -> str:
        """`text` without any secret that was put in so far."""
        for secret in self._told:
            text = text.replace(secret, "•••")
        return text

    def _one(self, found: re.Match[str]) -> str:
        kind, rest = found[1], found[2]
        kinds: dict[str, Callable[[str], str]] = {"env": self._env, "file": self._file}
        if kind not in kinds:
            raise MissingSecretError(
                f"`${{{kind}:…}}` is no place for secrets", hint="`${env:NAME}` or `${file:path}`"
            )
        secret = kinds[kind](rest)
        if secret:
            self._told.add(secret)
        return secret

    def _env(self, text: str) -> str:
        name, has_default, default = text.partition(_DEFAULT)
        if name in self.environment:
            return self.environment[name]
        if has_default:
            return default
        raise MissingSecretError(
            f"the environment variable `{name}` is not set",
            hint=f"set it, or give a default: `${{env:{name}:-…}}`",
        )

    def _file(self, text: str) -> str:
        if text not in self._read:
            path = self.folder / text
            try:
                with path.open("rb") as file:
                    self._read[text] = file.read(_LARGEST).decode().strip()
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "it is not UTF-8 text"
                raise MissingSecretError(
                    f"the secret file `{text}` cannot be read: {why}",
                    hint=f"looked for it at {path}",
                ) from None
        return self._read[text]
