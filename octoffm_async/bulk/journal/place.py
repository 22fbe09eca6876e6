"""The place of an open journal: what its name stands for must stay the file that is open.

Locks and side files go by name. A file with a second name, or one that is mounted alone, has two locks and two logs;
one that was removed or replaced goes on without a name, and all that it learns is lost with the process. So the first
are not opened for writing, and before each change the names of the file, its log and its lock are compared with what
is open. A journal that lost its name is saved under another one, and nothing more is sent.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TypeAlias

from ...errors import JournalError, JournalWriteError
from .standing import VERIFY

__all__ = ["Place", "check_alone"]

_Identity: TypeAlias = tuple[int, int]
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = {byte: b"\\%03o" % byte for byte in b" \t\n\\"}


def check_alone(path: Path) -> None:
    """See that a file has one name and lies in its folder.

    Raises:
        JournalError: it has more names, or is mounted without its folder.
    """
    names = path.stat().st_nlink if path.exists() else 1
    if names > 1:
        raise JournalError(
            f"the journal {path} has {names} names (hard links), each with a lock and a log of its own: "
            "remove the others first"
        )
    if _is_mounted(path):
        raise JournalError(
            f"the journal {path} is mounted without its folder, where its log and its lock must be: mount the folder"
        )


def _is_mounted(path: Path) -> bool:
    """Whether a file by itself is a mount, where the system tells. Device numbers would not: overlays mix them."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    escaped = b"".join(_ESCAPED.get(byte, bytes([byte])) for byte in os.fsencode(path))
    return any(line.split(b" ")[4:5] == [escaped] for line in lines)


class Place:
    """The names of an open journal's file and of those beside it, and what they stood for when it was opened."""

    def __init__(self, path: Path, *beside: Path) -> None:
        self._path = path
        self._names = (path, *beside)
        self._known: dict[Path, _Identity] = {}

    def check(self, connection: sqlite3.Connection) -> None:
        """See that all names still stand for what is open. One that was not there before is learned.

        Raises:
            JournalWriteError: one does not; the journal was saved under the name that is told, if that could be.
        """
        for name in self._names:
            identity = _identity(name)
            if identity != self._known.get(name, identity):
                raise JournalWriteError(self._lost(name, connection))
            if identity is not None:
                self._known[name] = identity

    def _lost(self, name: Path, connection: sqlite3.Connection) -> str:
        saved = self._path.with_name(f"{self._path.name}.saved-{os.getpid()}")
        told = f"{name} was removed or replaced while the journal was open: nothing more is sent"
        try:
            os.close(os.open(saved, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            connection.execute("VACUUM INTO ?", (str(saved),))
        except (OSError, sqlite3.Error) as error:
            lost = f"all that it knew is lost with this process ({error})"
            return f"{told}; {lost}: put a copy in its place, and look everything up first: {VERIFY}"
        return f"{told}; all that it knew is in {saved}: give that file its name {self._path.name} before you go on"


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
