"""Everything that the package writes to a file: only its owner reads it, and it never becomes another's file.

A new file is made under a name that was free (``O_EXCL``), never through a link (``O_NOFOLLOW``), with its mode from
the first byte on; what stood under the final name before is replaced, whatever its mode was, unless it is a link or
belongs to another user. A pipe, a device or a descriptor (``/dev/stdout``) is written to as it is. Files with secrets
that stay (stores) are opened only where no other user can read, change or exchange them.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SAFELY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_ROOM = 1 << 16
"""Bytes that must be free where an output is to be written."""

if sys.platform == "win32":

    def _own_uid() -> int | None:
        return None  # files have access lists there, which they inherit from their folder

    def _refuse_link(path: Path, what: str) -> None:
        if path.is_symlink():
            raise ConfigurationError(f"a {what} must not be a symbolic link: {path}")

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


else:

    def _own_uid() -> int | None:
        return os.geteuid()

    def _refuse_link(path: Path, what: str) -> None:
        """Rely on ``O_NOFOLLOW``, which refuses links without a race."""

    def replace_file(fresh: Path, path: Path) -> None:
        """Replace ``path`` by ``fresh``."""
        fresh.replace(path)


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
        raise ConfigurationError(f"the folder of the store is a symbolic link: {folder}; name the folder itself")
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"the folder of the store is no folder: {folder}")
    uid = _own_uid()
    if uid is None:
        return
    if status.st_uid not in (uid, 0):
        raise ConfigurationError(f"the folder of the store belongs to another user: {folder}")
    if status.st_mode & _OTHERS_WRITE:
        raise ConfigurationError(
            f"others can write the folder of the store: {folder}; use a folder of your own (chmod 700)"
        )


def open_safely(path: Path, flags: int, *, what: str) -> int:
    """Open a regular file, created with mode 0600 if ``flags`` say so; return its descriptor.

    Raises:
        ConfigurationError: The path is a link or no file, belongs to another user, or other users can read or write it.
        OSError: The file cannot be opened.
    """
    _refuse_link(path, what)
    try:
        descriptor = os.open(path, flags | _SAFELY, MODE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise ConfigurationError(f"a {what} must not be a symbolic link: {path}") from None
        if error.errno in (errno.EISDIR, errno.ENXIO):
            raise ConfigurationError(f"a {what} must be a plain file: {path}") from None
        raise
    try:
        _check(path, os.fstat(descriptor), what)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def prepare_file(path: Path) -> None:
    """Create an empty file for a store, for its owner alone, if there is none, and check it by its name.

    A file that exists is not opened: closing it again would end the locks that this process holds on it. In a folder
    that only the owner can write nobody exchanges it after the check.

    Raises:
        ConfigurationError: The path is a link or no file, belongs to another user, or other users can read or write it.
        OSError: The file cannot be created.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        with suppress(FileExistsError):  # another process created it in the meantime
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, MODE))
        status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(f"a store must not be a symbolic link: {path}")
    _check(path, status, "store")


def _check(path: Path, status: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"a {what} must be a plain file: {path}")
    uid = _own_uid()
    if uid is None:
        return
    if status.st_uid != uid:
        raise ConfigurationError(f"the {what} belongs to another user: {path}")
    if status.st_mode & _OTHERS:
        raise ConfigurationError(
            f"others can read or write the {what}: {path}; make it yours alone (chmod 600), or remove it"
        )


def descriptor_of(path: Path) -> int | None:
    """Return the descriptor that a path such as ``/dev/stdout`` or ``/dev/fd/3`` stands for; None for other paths."""
    found = _DESCRIPTOR.fullmatch(str(path))
    return int(found[1]) if found else _STANDARD.get(str(path))


def is_stream(path: Path) -> bool:
    """Return True for a pipe, a device, a socket or a descriptor: no file that could be replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return descriptor_of(path) is not None or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_descriptor(descriptor: int) -> None:
    """Check, as far as that can be known before, that a descriptor takes what is written to it.

    Raises:
        OSError: It does not, or its disk is full.
    """
    os.write(descriptor, b"")  # /dev/full refuses even nothing
    if hasattr(os, "fstatvfs") and stat.S_ISREG(os.fstat(descriptor).st_mode):
        disk = os.fstatvfs(descriptor)
        if disk.f_blocks and disk.f_bavail * disk.f_frsize < _ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def check_output(path: Path) -> None:
    """Check that a file can be written, before anything is done whose result would be lost; nothing remains of it.

    Raises:
        ConfigurationError: The path is a link, or another user's file.
        OSError: The file cannot be written.
    """
    if (descriptor := descriptor_of(path)) is not None:
        check_descriptor(descriptor)
    elif is_stream(path):
        if not stat.S_ISFIFO(path.stat().st_mode):  # a pipe may have no reader yet
            with path.open("wb", buffering=0) as file:
                check_descriptor(file.fileno())
    else:
        _check_target(path)
        descriptor, fresh = _fresh(path, private=True)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                if file.write(bytes(_ROOM)) < _ROOM:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            fresh.unlink()


def create_file(path: Path) -> BinaryIO:
    """Open a file for its owner alone, in place of an older one; what is written is there at once.

    Raises:
        ConfigurationError: The path is a link, or another user's file.
        OSError: The file cannot be made.
    """
    if is_stream(path):
        return _open_stream(path)
    _check_target(path)
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _SAFELY, MODE), "wb")


@contextmanager
def replacing_file(path: Path, *, private: bool = True, durable: bool = False) -> Generator[BinaryIO]:
    """Give a file to write to; at the end it replaces ``path`` at once, and after an error nothing remains of it.

    One that is not ``private`` keeps the mode of the file that it replaces, or gets that of any new file. A
    ``durable`` one is on the disk when the block has ended.

    Raises:
        ConfigurationError: The path is a link, or another user's file.
        OSError: The file cannot be written.
    """
    if is_stream(path):
        with _open_stream(path) as file:
            yield file
        return
    _check_target(path)
    descriptor, fresh = _fresh(path, private=private)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(descriptor)
        _check_target(path)
        replace_file(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_file(path: Path, content: bytes, *, private: bool = True, durable: bool = False) -> None:
    """Replace a file, or make it, at once and as a whole: see :func:`replacing_file`."""
    with replacing_file(path, private=private, durable=durable) as file:
        file.write(content)


def write_new_file(path: Path, content: bytes) -> None:
    """Write a file for its owner alone under a name that is free.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _SAFELY, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def draft_beside(path: Path) -> Path:
    """Make an empty file for its owner alone beside another, under a name that nobody can foresee.

    Raises:
        OSError: The file cannot be made.
    """
    descriptor, fresh = _fresh(path, private=True)
    os.close(descriptor)
    return fresh


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    with suppress(OSError, AttributeError):  # Windows syncs no folders
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_stream(path: Path) -> BinaryIO:
    descriptor = descriptor_of(path)
    return path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb")


def _check_target(path: Path) -> None:
    """Check what stands under a name that is to be written."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(f"{path} is a symbolic link: name the file that it leads to, or remove it")
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _own_uid() not in (None, status.st_uid):
        raise ConfigurationError(f"{path} belongs to another user: name another file")


def _fresh(path: Path, *, private: bool) -> tuple[int, Path]:
    """Make a file beside another, under a name that nobody can foresee."""
    fresh = path.with_name(f".{path.name[:50]}.{os.urandom(6).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _SAFELY
    descriptor = os.open(fresh, flags, MODE if private else 0o666)
    if not private and hasattr(os, "fchmod"):
        with suppress(OSError):
            os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode) & 0o777)
    return descriptor, fresh
