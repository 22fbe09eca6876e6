"""Files with secrets, opened only where no other user can read, change or exchange them; and locks on files."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from ..affinity import forking, unwatch_forks, watch_forks
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SAFELY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

if sys.platform == "win32":
    import msvcrt

    def _own_uid() -> int | None:
        return None  # files have access lists there, which they inherit from their folder

    def _refuse_link(path: Path) -> None:
        if path.is_symlink():
            raise ConfigurationError(f"a token file must not be a symbolic link: {path}")

    def replace_file(fresh: Path, path: Path) -> None:
        """Replace ``path`` by ``fresh``; retry for a while, because that fails while a reader has the file open."""
        for _ in range(50):
            try:
                fresh.replace(path)
            except PermissionError:
                time.sleep(0.01)
            else:
                return
        fresh.replace(path)

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _own_uid() -> int | None:
        return os.geteuid()

    def _refuse_link(path: Path) -> None:
        """Rely on ``O_NOFOLLOW``, which refuses links without a race."""

    def replace_file(fresh: Path, path: Path) -> None:
        """Replace ``path`` by ``fresh``."""
        fresh.replace(path)

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def prepare_folder(folder: Path) -> None:
    """Create the folder for its owner alone if it does not exist, and check it.

    Raises:
        ConfigurationError: Others can write the folder, it belongs to another user, or it is a link or no folder.
        OSError: The folder cannot be created.
    """
    try:
        status = folder.lstat()
    except FileNotFoundError:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        status = folder.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(f"the folder of the token file is a symbolic link: {folder}; name the folder itself")
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"the folder of the token file is no folder: {folder}")
    uid = _own_uid()
    if uid is None:
        return
    if status.st_uid not in (uid, 0):
        raise ConfigurationError(f"the folder of the token file belongs to another user: {folder}")
    if status.st_mode & _OTHERS_WRITE:
        raise ConfigurationError(
            f"others can write the folder of the token file: {folder}; use a folder of your own (chmod 700)"
        )


def open_safely(path: Path, flags: int) -> int:
    """Open a regular file, created with mode 0600 if ``flags`` say so; return its descriptor.

    Raises:
        ConfigurationError: The path is a link or no file, belongs to another user, or other users can read or write it.
        OSError: The file cannot be opened.
    """
    _refuse_link(path)
    try:
        descriptor = os.open(path, flags | _SAFELY, MODE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise ConfigurationError(f"a token file must not be a symbolic link: {path}") from None
        if error.errno in (errno.EISDIR, errno.ENXIO):
            raise ConfigurationError(f"a token file must be a plain file: {path}") from None
        raise
    try:
        _check(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"a token file must be a plain file: {path}")
    uid = _own_uid()
    if uid is None:
        return
    if status.st_uid != uid:
        raise ConfigurationError(f"the token file belongs to another user: {path}")
    if status.st_mode & _OTHERS:
        raise ConfigurationError(
            f"others can read or write the token file: {path}; make it yours alone (chmod 600), or remove it"
        )


class FileLock:
    """A lock on a file, held until :meth:`release`. The operating system releases it when its holder dies.

    A process forked meanwhile closes its copy of the descriptor at once, so that it cannot keep a dead parent's lock.
    """

    __slots__ = ("__weakref__", "_descriptor")

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        watch_forks(self)

    @classmethod
    def take(cls, path: Path) -> FileLock | None:
        """Acquire the lock; return None if another process holds it.

        Raises:
            ConfigurationError: The file of the lock is not safe.
            OSError: The file of the lock cannot be created.
        """
        with forking:
            descriptor = open_safely(path, os.O_RDWR | os.O_CREAT)
            try:
                _try_lock(descriptor)
            except OSError as error:
                os.close(descriptor)
                if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    return None
                raise
            return cls(descriptor)

    def release(self) -> None:
        """Release the lock. It is unlocked before it is closed: a process that is starting has the descriptor too."""
        unwatch_forks(self)
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                _unlock(descriptor)
            finally:
                os.close(descriptor)

    def abandon(self) -> None:
        """Close the copy in a forked child, without unlocking it: the lock is the parent's."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
