"""Findings: diagnostics as they are collected, each place and code told once.

One slip in a binding concerns every machine that is bound to it; it is one mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from uns.project.diagnose import Diagnostic, Severity, diagnostic
from uns.project.source import Span, Written

__all__ = ["Findings"]


class Findings:
    """A growing list of diagnostics without repetitions."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Span], Diagnostic] = {}

    def add(self, code: str, message: str, at: Written, **more: Any) -> None:
        """Note an error; see uns.project.diagnose.diagnostic for what `more` may hold."""
        self.extend([diagnostic(code, message, at, **more)])

    def warn(self, code: str, message: str, at: Written, **more: Any) -> None:
        """Note something that may be meant."""
        self.extend([diagnostic(code, message, at, severity=Severity.WARNING, **more)])

    def extend(self, found: Iterable[Diagnostic]) -> None:
        """Note several."""
        for one in found:
            self._found.setdefault((one.code, one.file, one.span), one)

    def has(self, code: str, at: Written) -> bool:
        """Whether `code` was told of this place already."""
        return (code, at.source.name, at.span()) in self._found

    @property
    def has_errors(self) -> bool:
        """Whether anything found keeps the project from running."""
        return any(one.is_error for one in self._found.values())

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them, by file and place."""
        return tuple(sorted(self._found.values(), key=lambda one: one.order))
