"""The SELECTs that are asked of one table or query, built for whichever database it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bridges.sql.config import SqlConfig
from uns.errors import DeviceError

__all__ = ["Questions", "probe"]


def probe(sa: Any, config: SqlConfig) -> Any:
    """The question that no row answers, for the names of the columns."""
    return sa.select(sa.text("*")).select_from(_source(sa, config)).limit(0)


class Questions:
    """What can be asked once the columns are known; `sa` is the module `sqlalchemy`."""

    def __init__(self, sa: Any, config: SqlConfig, columns: Sequence[str]) -> None:
        """Raises DeviceError where a column is missing that the settings name."""
        self.columns = tuple(columns)
        self._sa = sa
        self._limit = config.limit
        self._what = f"the table `{config.table}`" if config.table else "the query"
        self._check_names()
        self.key_at = self._named(config.key_column, "key")
        self.watermark_at = self._named(config.watermark, "watermark")
        self.timestamp_at = self._named(config.timestamp, "timestamp")
        named = [sa.column(name) for name in columns]
        if config.table:
            schema, _, name = config.table.rpartition(".")
            self._rows = sa.table(name, *named, schema=schema or None)
        else:
            self._rows = sa.text(_bare(config.query)).columns(*named).subquery("rows_read")
        cells = list(self._rows.c)
        self._key: Any = None if self.key_at is None else cells[self.key_at]
        self._watermark: Any = None if self.watermark_at is None else cells[self.watermark_at]

    def find(self, name: str) -> int | None:
        """Where a column stands; capital letters matter only where they tell two apart."""
        if name in self.columns:
            return self.columns.index(name)
        lower = [column.lower() for column in self.columns]
        return lower.index(name.lower()) if lower.count(name.lower()) == 1 else None

    def missing(self, name: str) -> str:
        """What to say of a column that is not there."""
        return f"{self._what} has no column `{name}`; it has {', '.join(self.columns[:20])}"

    def state(self, keys: Sequence[str]) -> Any:
        """The rows as they are now, of some machines; one more than the limit."""
        return self._of(keys, self._sa.select(self._rows)).limit(self._limit + 1)

    def after(self, begin: Any, known: int) -> Any:
        """The rows from a watermark on, oldest first: those known already and `limit` more."""
        ask = self._sa.select(self._rows).where(self._watermark.is_not(None))
        if begin is not None:
            ask = ask.where(self._watermark >= self._literal(begin))
        return ask.order_by(self._watermark).limit(self._limit + known)

    def highest(self) -> Any:
        """The highest watermark there is."""
        return self._sa.select(self._sa.func.max(self._watermark))

    def between(self, begin: Any, end: Any, limit: int) -> Any:
        """The rows between two watermarks, both included."""
        return (
            self._sa.select(self._rows)
            .where(self._watermark >= self._literal(begin))
            .where(self._watermark <= self._literal(end))
            .limit(limit)
        )

    def newest(self, keys: Sequence[str], end: Any) -> Any:
        """The newest row of each of some machines, up to a watermark (None: of all)."""
        sa, watermark = self._sa, self._watermark
        ask = sa.select(self._rows).where(watermark.is_not(None))
        if end is not None:
            ask = ask.where(watermark <= self._literal(end))
        if self._key is None:
            return ask.order_by(watermark.desc()).limit(1)
        latest = sa.select(self._key.label("k"), sa.func.max(watermark).label("w"))
        if end is not None:
            latest = latest.where(watermark <= self._literal(end))
        last = self._of(keys, latest).group_by(self._key).subquery("latest")
        return ask.join(last, sa.and_(self._key == last.c.k, watermark == last.c.w))

    def _of(self, keys: Sequence[str], ask: Any) -> Any:
        if self._key is None:
            return ask
        text = self._sa.func.rtrim(self._sa.cast(self._key, self._sa.String))
        return ask.where(text.in_(list(keys)))

    def _literal(self, value: Any) -> Any:
        """A bound value of the right type: asyncpg takes no other, and no 64 bits for 32."""
        sa = self._sa
        types = {
            int: sa.BigInteger(),
            float: sa.Double(),
            Decimal: sa.Numeric(),
            datetime: sa.DateTime(timezone=getattr(value, "tzinfo", None) is not None),
            date: sa.Date(),
            str: sa.String(),
        }
        return sa.literal(value, types[type(value)])

    def _named(self, name: str, setting: str) -> int | None:
        at = self.find(name) if name else None
        if name and at is None:
            raise DeviceError(self.missing(name), hint=f"correct `{setting}:`")
        return at

    def _check_names(self) -> None:
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise DeviceError(
                f"{self._what} has two columns called `{min(twice)}`",
                hint="give one of them another name with AS",
            )


def _source(sa: Any, config: SqlConfig) -> Any:
    if config.query:
        return sa.text(f"({_bare(config.query)}) AS rows_read")
    schema, _, name = config.table.rpartition(".")
    return sa.table(name, schema=schema or None)


def _bare(query: str) -> str:
    """The query with nothing for SQLAlchemy to fill in; a comment at its end stays one."""
    return query.replace("\\", "\\\\").replace(":", "\\:") + "\n"
