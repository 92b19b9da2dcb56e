"""The file driver: rows that others drop into a folder become readings."""

from bridges.file.config import FileConfig
from bridges.file.driver import FileDriver

__all__ = ["FileConfig", "FileDriver"]
