"""The process that writes a journal and since when, read without opening or disturbing the journal."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

__all__ = ["Holder", "holder_of"]

if sys.platform == "win32":
    import msvcrt

    _AWAY = 1 << 30  # where the lock itself is

    def _is_held(descriptor: int) -> bool:
        os.lseek(descriptor, _AWAY, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return True
        os.lseek(descriptor, _AWAY, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return False

else:
    import fcntl

    def _is_held(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


class Holder(NamedTuple):
    """The process that writes a journal. ``pid`` is 0 where it is not known."""

    pid: int
    since: datetime


def holder_of(journal: str | os.PathLike[str]) -> Holder | None:
    """Return the holder of the journal's lock; ``None`` if the lock is free or cannot be read."""
    path = Path(journal).resolve()
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    try:
        told = os.read(descriptor, 20).strip()
        if not told or not _is_held(descriptor):  # a killed process leaves its id in the file
            return None
        since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
        return Holder(int(told) if told.isdigit() else 0, since)
    except OSError:
        return None
    finally:
        os.close(descriptor)
