"""A project as it was in git: the files of one commit, in a folder of their own."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from uns.errors import ProjectError

__all__ = ["checked_out"]

_GIT_S = 30.0
_LARGEST = 64 * 1024 * 1024  # bytes of one file, as uns.project.load has it


def checked_out(project: Path, revision: str, into: Path) -> Path:
    """Write a project's files as `revision` has them below `into`; return the project there.

    Nothing in the working tree is touched. Raises ProjectError with git's own words.
    """
    folder = project if project.is_dir() else project.parent
    archive = _git(folder, "archive", "--format=tar", "--end-of-options", revision, ".")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            if member.isfile() and member.size <= _LARGEST and _is_inside(member.name):
                content = files.extractfile(member)
                path = into / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read() if content else b"")
    found = into if project.is_dir() else into / project.name
    if not found.exists():
        raise ProjectError(f"{project} is not in {revision}", hint="was it committed by then?")
    return found


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _git(folder: Path, *words: str) -> bytes:
    try:
        ended = subprocess.run(  # noqa: S603 - a list of words, no shell
            ["git", "-C", str(folder), *words],  # noqa: S607 - the user's git
            capture_output=True,
            timeout=_GIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProjectError(f"git does not run: {error}", hint="--from takes a file too") from None
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise ProjectError(
            f"git: {said[0] if said else f'it ended with {ended.returncode}'}",
            hint="--from git:REV takes what git names a commit: git:HEAD~1, git:main",
        )
    return ended.stdout
