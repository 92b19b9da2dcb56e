"""What a database says when it refuses, in sentences that tell one reason from another."""

from __future__ import annotations

from typing import Any, Final

from bridges.spoken import spoken
from bridges.sql.config import SqlConfig
from uns.errors import DeniedError, DeviceError

__all__ = ["refused"]

#: PostgreSQL's SQLSTATEs, https://www.postgresql.org/docs/15/errcodes-appendix.html
_SENTENCES: Final = {
    "28P01": ("refuses the password of `{user}`", "correct `user:` and `password:`"),
    "28000": (
        "does not let `{user}` in from here",
        "the server's pg_hba.conf names who may come from where, and there must be such a role",
    ),
    "3D000": ("has no database `{database}`", "correct the end of `url:`"),
    "42P01": ("knows no such table: {said}", "correct `table:` or `query:`, with its schema"),
    "42703": ("knows no such column: {said}", "correct `query:`"),
    "42601": ("does not understand the query: {said}", "correct `query:`; run it in psql first"),
    "42501": ("does not let `{user}` read that: {said}", "GRANT SELECT on it to this user"),
    "25006": ("only lets us read: {said}", "a query must not change anything"),
    "53300": ("has no connection left", "raise max_connections, or close some"),
    "57P03": ("is starting up or shutting down", "it is tried again"),
    "57014": ("gave the query up: {said}", "raise `timeout_s:`, or index the watermark column"),
}
_DENIED: Final = frozenset({"28P01", "28000", "42501"})
_SQLITE: Final = (
    ("unable to open database file", "cannot be opened: there is no such file, or no way to it"),
    ("no such table", "knows {said}"),
    ("no such column", "knows {said}"),
    ("file is not a database", "is no SQLite database"),
    ("database is locked", "is locked by another program"),
)


def refused(error: Exception, config: SqlConfig) -> DeviceError:
    """The error of a driver's library, or of the network, as one of ours."""
    cause = _cause(error)
    said = str(cause).strip().split("\n")[0] or type(cause).__name__
    facts = {"user": config.user, "database": config.database, "said": said}
    state = getattr(cause, "sqlstate", None)
    if state in _SENTENCES:
        sentence, hint = _SENTENCES[state]
        kind = DeniedError if state in _DENIED else DeviceError
        return kind(f"{config.key_of_source()} {sentence.format(**facts)}", hint=hint)
    for mark, sentence in _SQLITE:
        if mark in said:
            return DeviceError(f"{config.key_of_source()} {sentence.format(**facts)}")
    if isinstance(cause, TimeoutError):
        return DeviceError(
            f"{config.key_of_source()} did not answer within {config.timeout_s:g} s",
            hint="is the server busy, or the query slow? `timeout_s:` may be raised",
        )
    if isinstance(cause, OSError):
        return DeviceError(
            f"{config.key_of_source()} cannot be reached: {spoken(cause)}",
            hint="is it running, and are host and port right?",
        )
    return DeviceError(f"{config.key_of_source()} refuses: {said}")


def _cause(error: Exception) -> Any:
    """What the library below SQLAlchemy said."""
    original = getattr(error, "orig", None)
    return error if original is None else original.__cause__ or original
