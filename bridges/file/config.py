"""The `connection:` of a file binding."""

from __future__ import annotations

import codecs
import zlib
from datetime import UTC, datetime
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridges.driver import DriverConfig
from bridges.file.address import Format, Place, parse_address
from bridges.moments import known_zone
from uns.errors import AddressError

__all__ = ["FileConfig"]

_A_TIME: Final = datetime(2026, 1, 8, 10, 30, tzinfo=UTC)  # any
_NOT_HASHED: Final = frozenset({"folder", "files", "enabled", "clock"})


class FileConfig(DriverConfig):
    """The files of one folder that are alike."""

    folder: str = Field(min_length=1, description="where the files are dropped")
    files: str = Field(default="*.csv", min_length=1, description="which of them: a pattern")
    format: Format = Field(default=Format.CSV, description="csv, jsonl (lines), json or xml")
    rows: str = Field(default="", description="json and xml: the path of the rows in a document")
    key_column: str = Field(
        default="", alias="key", description="where a row says which machine it is about"
    )
    timestamp: str = Field(default="", description="where a row has the time of its values")
    timestamp_format: str = Field(
        default="", description="how that is written, as strptime's `%d.%m.%Y %H:%M`"
    )
    timezone: str = Field(default="UTC", description="of times that name no zone")
    delimiter: str = Field(
        default="auto", description="csv: what stands between cells; auto: the header tells"
    )
    decimal: Literal[".", ","] = Field(default=".", description="what stands before decimals")
    encoding: str = Field(
        default="auto", description="auto: UTF-8, UTF-16 with its mark, else Windows-1252"
    )
    columns: tuple[str, ...] = Field(
        default=(), description="csv: the names of the columns, where no header says them"
    )
    settle_s: float = Field(
        default=2.0, ge=0, le=3600, description="unchanged for so long, a file is written wholly"
    )
    limit: int = Field(default=1000, ge=1, le=100_000, description="rows read in one scan")
    on_done: Literal["keep", "archive", "delete"] = Field(
        default="keep", description="what becomes of a file once its rows are safe"
    )
    done_after_s: float = Field(
        default=60.0, ge=0, description="unchanged for so long, a file that was read is done"
    )
    archive: str = Field(
        default="archive", description="where done files go, from the folder; on the same disk"
    )

    @field_validator("files")
    @classmethod
    def _is_in_one_folder(cls, pattern: str) -> str:
        if "/" in pattern:
            raise ValueError("a pattern names files of one folder: write the path into `folder:`")
        return pattern

    @field_validator("timestamp_format")
    @classmethod
    def _is_a_form(cls, form: str) -> str:
        try:
            datetime.strptime(_A_TIME.strftime(form), form)  # noqa: DTZ007 - only tried
        except ValueError as error:
            raise ValueError(f"`{form}` tells no time: {error}; write `%d.%m.%Y %H:%M`") from None
        return form

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str) -> str:
        if name == "auto":
            return name
        try:
            is_plain = codecs.lookup(name).name.startswith("utf-16") or "\n".encode(name) == b"\n"
        except LookupError:
            is_plain = False
        if not is_plain:
            raise ValueError(f"`{name}` is no encoding of text files; write `utf-8` or `cp1252`")
        return name

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, text: str) -> str:
        text = {"tab": "\t", "\\t": "\t"}.get(text, text)
        if text != "auto" and (len(text) != 1 or text in '"\r\n'):
            raise ValueError("a delimiter is one character, `tab` or `auto`")
        return text

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        for name in ("key_column", "timestamp"):
            try:
                self._place(getattr(self, name))
            except AddressError as error:
                field = type(self).model_fields[name].alias or name
                raise ValueError(f"{field}: {error}; {error.hint}") from None
        if self.rows and self.format.is_lines:
            raise ValueError("`rows:` is for documents: `format: json` or `format: xml`")
        try:
            self.rows_at()
        except AddressError as error:
            raise ValueError(f"rows: {error}; {error.hint}") from None
        return self

    def key_at(self) -> Place | None:
        """Where a row has its key."""
        return self._place(self.key_column)

    def time_at(self) -> Place | None:
        """Where a row has its time."""
        return self._place(self.timestamp)

    def rows_at(self) -> Place | None:
        """Where a document has its rows."""
        return None if self.format.is_lines else self._place(self.rows)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        return known_zone(name)

    def key(self) -> str:
        """`file://folder/*.csv`, and a short hash of what is not as usual."""
        fields = type(self).model_fields.items()
        unusual = sorted(
            f"{name}={getattr(self, name)!r}"
            for name, field in fields
            if name not in _NOT_HASHED and getattr(self, name) != field.default
        )
        mark = f"~{zlib.crc32(str(unusual).encode()):08x}" if unusual else ""
        return f"file://{self.folder.rstrip('/')}/{self.files}{mark}"

    def endpoint(self) -> None:
        """Files need no network that we know of."""

    def moved_to(self, port: int) -> FileConfig:
        """The same settings: there is no port."""
        del port
        return self

    def _place(self, text: str) -> Place | None:
        return parse_address(text, self.format, has_key=False).place if text else None
