"""Advisory locks on side files, which the operating system drops when their holder dies.

- ``FILE.lock`` (:class:`JournalLock`) is held for moments: while a process opens or closes the journal, or copies its
  log. It is never deleted. It is empty while the lock is free, and otherwise contains the holder's process id. Older
  versions, for which a file had one writer, hold it for as long as they have the journal open.
- ``FILE.writer-ID`` (:class:`WriterFile`) belongs to one writer, which holds it while it writes the journal. It
  contains the writer's last sign of life, by a clock that all processes of the machine share and no user can set. A
  file that is not locked belongs to a process that has ended.

An open file is inherited by a forked process, and its lock with it: the child closes both (``abandon``).
"""

from __future__ import annotations

import os
import struct
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ....affinity import forking, unwatch_forks, watch_forks
from ....disk.private_file import open_safely
from ....errors import ConfigurationError, JournalInUseError, JournalWriteError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Holder", "JournalLock", "Sign", "WriterFile", "holder_of", "side_file", "side_files", "sign_of"]

if sys.platform == "win32":
    import msvcrt

    _AWAY = 1 << 30  # Windows locks bytes and blocks their readers: lock one far behind the content

    def _try_lock(descriptor: int, *, shared: bool = False) -> None:  # noqa: ARG001
        os.lseek(descriptor, _AWAY, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


_WAIT, _LONGEST_PAUSE = 10.0, 0.05
_SIGN = struct.Struct("<dqd")
_ATTEMPTS = 100


class Sign(NamedTuple):
    """The last sign of life of a writer. ``beat`` is by the clock of leases, ``since`` in seconds since 1970."""

    beat: float
    pid: int
    since: float


class Holder(NamedTuple):
    """A process that writes a journal, and the time since when. ``pid`` is 0 where it is not known."""

    pid: int
    since: datetime


class _LockedFile:
    """A file that this process has locked, while its descriptor is open."""

    _descriptor: int | None = None

    def abandon(self) -> None:
        """Close the file. In a forked process, the lock stays with the parent."""
        unwatch_forks(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class JournalLock(_LockedFile):
    """Exclusive right to open, close or copy one journal."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.path: Path = journal.with_name(journal.name + ".lock")

    def acquire(self, seconds: float = _WAIT) -> None:
        """Acquire the lock; wait for it for a time.

        Raises:
            JournalInUseError: a process keeps it: of an older version, or suspended.
            JournalWriteError: the side file cannot be made, or this file system cannot lock.
        """
        try:
            with forking:
                self._descriptor = descriptor = _open(self.path, os.O_CREAT)
                watch_forks(self)
        except (OSError, ConfigurationError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise JournalWriteError(
                f"the journal {self._journal} cannot be locked for writing: {reason} ({self.path})"
            ) from error
        until, pause = time.monotonic() + seconds, 0.001
        while True:
            try:
                _try_lock(descriptor)
            except OSError as error:
                if time.monotonic() < until:
                    time.sleep(pause)
                    pause = min(_LONGEST_PAUSE, 2 * pause)
                    continue
                pid = _holder(descriptor)
                self.abandon()
                whose = f"process {pid}" if pid else "another process"
                raise JournalInUseError(
                    f"the journal {self._journal} is kept locked by {whose}, which is of an older version or does not "
                    "go on: end it, or wait until it ends",
                    pid=pid,
                ) from error
            break
        self._check_excludes()
        self._note(f"{os.getpid()}\n".encode())

    def try_acquire(self, seconds: float = 0.0) -> bool:
        """Acquire the lock if it is free, or becomes free in time; return True if it was."""
        try:
            self.acquire(seconds)
        except JournalWriteError:
            return False
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            self._note(b"")
            self.abandon()

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the lock within a block."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _check_excludes(self) -> None:
        """Check that the lock excludes others: some network and virtual file systems accept any number of them."""
        other = _open(self.path)
        try:
            _try_lock(other)
        except OSError:
            return
        finally:
            os.close(other)
        self.abandon()
        raise JournalWriteError(
            f"the folder of the journal {self._journal} cannot lock files, so two processes could send the same "
            "order: put the journal on a local disk of this machine, or use PostgreSQL for several machines"
        )

    def _note(self, content: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101
        with suppress(OSError):  # a full disk: the lock still holds, only its holder's id is missing
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, content)


class WriterFile(_LockedFile):
    """The locked side file of one writer of this process."""

    def __init__(self, journal: Path, writer: int, beat: float) -> None:
        """Make and lock the file.

        Raises:
            JournalWriteError: it cannot be made.
        """
        self.path: Path = side_file(journal, writer)
        try:
            with forking:
                self._descriptor = self._locked()
                watch_forks(self)
            os.pwrite(self._descriptor, _SIGN.pack(beat, os.getpid(), time.time()), 0)
        except (OSError, ConfigurationError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise JournalWriteError(f"the journal {journal} cannot be written: {reason} ({self.path})") from error

    @property
    def is_in_place(self) -> bool:
        """True if the file still has its name: other processes find it."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def beat(self, now: float) -> None:
        """Write a sign of life."""
        if self._descriptor is not None:
            os.pwrite(self._descriptor, struct.pack("<d", now), 0)

    def remove(self) -> None:
        """Delete the file and release its lock."""
        if self._descriptor is not None:
            self.abandon()
            self.path.unlink(missing_ok=True)

    def _locked(self) -> int:
        for _ in range(_ATTEMPTS):
            descriptor = _open(self.path, os.O_CREAT)
            try:
                _try_lock(descriptor)  # a process that removes leftovers may hold it for a moment, and remove it
                if self.path.exists() and os.path.samestat(self.path.stat(), os.fstat(descriptor)):
                    return descriptor
            except OSError:
                time.sleep(0.001)
            os.close(descriptor)
        raise OSError(0, "another process keeps it locked")


def sign_of(path: Path, *, remove: bool = False) -> Sign | None:
    """Return the last sign of life in a writer's side file that is locked; ``None`` if its process has ended.

    ``remove`` deletes the file of a process that has ended.

    Raises:
        FileNotFoundError: there is no such file.
    """
    descriptor = _open(path)
    try:
        try:
            _try_lock(descriptor, shared=not remove)
        except OSError:
            content = os.pread(descriptor, _SIGN.size, 0)
            return Sign(*_SIGN.unpack(content)) if len(content) == _SIGN.size else Sign(float("inf"), 0, 0.0)
        if remove:
            path.unlink(missing_ok=True)
        return None
    finally:
        os.close(descriptor)


def side_file(journal: Path, writer: int) -> Path:
    """Return the path of a writer's side file."""
    return journal.with_name(f"{journal.name}.writer-{writer}")


def side_files(journal: Path) -> dict[int, Path]:
    """Return the side files of a journal's writers, by the writer's number."""
    start = f"{journal.name}.writer-"
    return {
        int(number): path
        for path in journal.parent.iterdir()
        if (number := path.name.removeprefix(start)) != path.name and number.isdigit()
    }


def holder_of(journal: str | os.PathLike[str]) -> Holder | None:
    """Return the process that has been writing the journal for longest; ``None`` if none does, or it cannot be read."""
    path = Path(journal).resolve()
    signs: list[Sign] = []
    with suppress(OSError):
        for found in side_files(path).values():
            with suppress(OSError):
                if (sign := sign_of(found)) is not None:
                    signs.append(sign)
    if not signs:
        return None
    first = min(signs, key=lambda sign: sign.since)
    return Holder(first.pid, datetime.fromtimestamp(first.since, UTC))


def _open(path: Path, flags: int = 0) -> int:
    return open_safely(path, os.O_RDWR | flags, what="lock of a journal")


def _holder(descriptor: int) -> int:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return int(os.read(descriptor, 20) or b"0")
    except (OSError, ValueError):
        return 0
