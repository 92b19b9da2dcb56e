"""The SQL driver: rows of a database become readings."""

from bridges.sql.config import SqlConfig
from bridges.sql.driver import SqlDriver

__all__ = ["SqlConfig", "SqlDriver"]
