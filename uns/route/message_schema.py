"""A message schema: what a business message must look like before it may leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

__all__ = ["MessageSchema"]


@dataclass(frozen=True, slots=True)
class MessageSchema:
    """One version of a subject: `schemas/<subject>/<version>.json`, compiled."""

    subject: str
    version: int
    _validator: jsonschema_rs.Draft202012Validator = field(repr=False, compare=False)

    @classmethod
    def compile(cls, subject: str, version: int, document: Mapping[str, Any]) -> MessageSchema:
        """Compile a JSON Schema (2020-12); raises ValueError where it is none."""
        validator = jsonschema_rs.Draft202012Validator(dict(document))
        return cls(subject, version, validator)

    @property
    def name(self) -> str:
        """The schema's place in the registry: `job_response/1`."""
        return f"{self.subject}/{self.version}"

    def problem(self, message: object) -> str:
        """Say what is wrong with `message`, or return an empty string."""
        if self._validator.is_valid(message):
            return ""
        error = next(self._validator.iter_errors(message))
        place = "/".join(str(step) for step in error.instance_path) or "the message"
        return f"{place}: {error.message}"
