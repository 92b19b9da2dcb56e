"""What becomes of a file that was read to its end and whose rows are safe."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from bridges.file.config import FileConfig
from bridges.file.progress import Progress

__all__ = ["put_away"]


def put_away(config: FileConfig, folder: Path, name: str, progress: Progress) -> bool:
    """Move the file into the archive, or delete it; False where somebody just wrote to it.

    It is renamed first and looked at again, so that a row that came in between is not lost.
    Raises OSError.
    """
    path = folder / name
    if config.on_done == "delete":
        place = folder / f".{name}.done"
    else:
        archive = folder / config.archive
        archive.mkdir(parents=True, exist_ok=True)
        place = _free(archive, name)
    path.rename(place)
    if not progress.is_as(place.stat()):
        place.rename(path)
        return False
    if config.on_done == "delete":
        place.unlink()
    return True


def _free(archive: Path, name: str) -> Path:
    """A name that nothing in the archive has: `lab.csv`, else `lab.csv.1` and so on."""
    if not (archive / name).exists():
        return archive / name
    return next(path for number in count(1) if not (path := archive / f"{name}.{number}").exists())
