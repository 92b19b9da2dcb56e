"""How far a table was read: its watermark, and the rows near it that are known already.

Rows may share a watermark, and a row may be committed after one with a higher watermark was
read. So reading goes on *at* the watermark, or `overlap` behind it, and rows that were there
the last time are left out. Of each only a fingerprint is remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from uns.errors import DeviceError

__all__ = ["Mark"]

_MOST_KNOWN = 5_000  # fingerprints; so many rows are asked for again on every scan
_KINDS: dict[str, tuple[type, Any]] = {
    "whole": (int, int),
    "real": (float, float),
    "exact": (Decimal, Decimal),
    "moment": (datetime, datetime.fromisoformat),
    "day": (date, date.fromisoformat),
    "text": (str, str),
}


class Mark:
    """The highest watermark that was read (None: nothing yet) and the rows known near it."""

    def __init__(self, overlap: float = 0.0) -> None:
        self.reached: Any = None
        self._overlap = overlap
        self._known: dict[str, Any] = {}  # fingerprint → watermark

    @property
    def begin(self) -> Any:
        """The watermark to ask from; raises DeviceError where `overlap` makes no sense."""
        reached = self.reached
        if not self._overlap or reached is None:
            return reached
        if isinstance(reached, datetime):
            return reached - timedelta(seconds=self._overlap)
        if isinstance(reached, int):
            return reached - int(self._overlap)
        if isinstance(reached, Decimal):
            return reached - Decimal(self._overlap)
        if isinstance(reached, float):
            return reached - self._overlap
        raise DeviceError(
            f"the watermark `{reached}` has no distance to another, so `overlap:` cannot be used",
            hint="take a number or a time as the watermark",
        )

    @property
    def known(self) -> int:
        """How many rows behind the mark will be read again."""
        return len(self._known)

    def news(self, rows: Iterable[Sequence[Any]], at: int) -> list[Sequence[Any]]:
        """The rows not known yet, in their order; column `at` is the watermark. Moves the mark."""
        news = []
        for row in rows:
            trace = _fingerprint(row)
            if trace in self._known:
                continue
            self._known[trace] = row[at]
            news.append(row)
            if self.reached is None or row[at] > self.reached:
                self.reached = row[at]
        self._forget()
        return news

    def to_json(self) -> dict[str, Any]:
        """What a later process needs to go on."""
        for kind, (type_, _) in _KINDS.items():
            if type(self.reached) is type_:
                known = {trace: _text(at) for trace, at in self._known.items()}
                return {"kind": kind, "reached": _text(self.reached), "known": known}
        return {"kind": "nothing"}

    @classmethod
    def from_json(cls, held: Any, overlap: float) -> Mark | None:
        """The mark that gave `held` by `to_json`; None where it is anything else."""
        mark = cls(overlap)
        if held == mark.to_json():
            return mark
        try:
            read = _KINDS[held["kind"]][1]
            mark._known = {str(trace): read(at) for trace, at in held["known"].items()}
            mark.reached = read(held["reached"])
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            return None
        return mark

    def _forget(self) -> None:
        begin = self.begin
        self._known = {trace: at for trace, at in self._known.items() if at >= begin}
        if len(self._known) > _MOST_KNOWN:
            raise DeviceError(
                f"{len(self._known)} rows lie within `overlap:` behind the watermark "
                f"`{self.reached}`, or share it; {_MOST_KNOWN} can be told apart",
                hint="make `overlap:` smaller, or take a finer watermark",
            )


def _fingerprint(row: Sequence[Any]) -> str:
    return hashlib.blake2b(repr(tuple(row)).encode(), digest_size=8).hexdigest()


def _text(watermark: Any) -> str:
    return watermark.isoformat() if isinstance(watermark, date) else str(watermark)
