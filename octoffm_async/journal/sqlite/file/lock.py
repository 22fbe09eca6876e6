"""Exclusive write access: an advisory lock on a side file, which the operating system drops when its holder dies.

The side file is never deleted. It is empty while the lock is free, and otherwise contains the holder's process id.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ....disk.private_file import open_safely
from ....errors import ConfigurationError, JournalInUseError, JournalWriteError

__all__ = ["WriterLock"]

if sys.platform == "win32":
    import msvcrt

    _AWAY = 1 << 30  # Windows locks bytes and blocks their readers: lock one far behind the process id

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _AWAY, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """Exclusive right to write to one journal."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.path: Path = journal.with_name(journal.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Acquire the lock without waiting.

        Raises:
            JournalInUseError: another journal object holds it, in this or another process.
            JournalWriteError: the side file cannot be made.
        """
        try:
            descriptor = open_safely(self.path, os.O_RDWR | os.O_CREAT, what="lock of a journal")
        except (OSError, ConfigurationError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise JournalWriteError(
                f"the journal {self._journal} cannot be locked for writing: {reason} ({self.path})"
            ) from error
        try:
            _try_lock(descriptor)
        except OSError as error:
            pid = _holder(descriptor)
            os.close(descriptor)
            raise JournalInUseError(_in_use(self._journal, pid), pid=pid) from error
        self._descriptor = descriptor
        self._note(f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            self._note(b"")
            os.close(self._descriptor)
            self._descriptor = None

    def _note(self, content: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101
        try:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, content)
        except OSError:
            pass  # a full disk: the lock still holds, only its holder's id is missing


def _holder(descriptor: int) -> int:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return int(os.read(descriptor, 20) or b"0")
    except (OSError, ValueError):
        return 0


def _in_use(journal: Path, pid: int) -> str:
    if pid == os.getpid():
        return f"the journal {journal} is already open for writing in this process: share the object that opened it"
    whose = f"process {pid}" if pid else "another process"
    return f"the journal {journal} is being written by {whose}: wait until it ends"


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
        process_id = os.read(descriptor, 20).strip()
        if not process_id or not _is_held(descriptor):  # a killed process leaves its id in the file
            return None
        since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
        return Holder(int(process_id) if process_id.isdigit() else 0, since)
    except OSError:
        return None
    finally:
        os.close(descriptor)
