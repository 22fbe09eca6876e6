"""The path of an open journal: its name must keep referring to the file that is open.

Locks and side files are found by name. A file with a second name (hard link), or one that is mounted alone, has two
locks and two logs; a file that was removed or replaced continues without a name, and everything that it records is lost
with the process. Therefore the journal does not open a file of the first two kinds for writing, and before each change
it compares the names of the file, its log and its lock with the open files. A journal that lost its name is saved under
another one, and no more orders are sent.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TypeAlias

from ....disk.private_file import write_new_file
from ....errors import ConfigurationError, JournalError, JournalWriteError
from .completeness import VERIFY

__all__ = ["OpenFileIdentity", "check_alone", "check_local"]

_Identity: TypeAlias = tuple[int, int]
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = {byte: b"\\%03o" % byte for byte in b" \t\n\\"}
_FAR = frozenset(
    b"nfs nfs4 cifs smb3 smbfs 9p afs ceph lustre beegfs gpfs ocfs2 gfs2 glusterfs virtiofs vboxsf ncpfs davfs prl_fs "
    b"fuse.sshfs fuse.s3fs fuse.glusterfs fuse.ceph-fuse fuse.rclone fuse.gcsfuse fuse.davfs fuse.grpcfuse fuse.osxfs "
    b"fuse.vmhgfs-fuse".split()
)
"""File systems that other machines see too, where locks or shared memory do not reach all processes."""


def check_alone(path: Path) -> None:
    """Check that a file has one name and is not mounted without its folder.

    Raises:
        JournalError: the file has more names, or is mounted without its folder.
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


def check_local(path: Path) -> None:
    """Check that a file is on this machine alone, where the system shows it.

    Raises:
        ConfigurationError: it is on a network file system, or on a folder of another machine.
    """
    mounts = _mounts()
    kind = next((mounts[name] for name in map(_escaped, (path, *path.parents)) if name in mounts), b"")
    if kind in _FAR:
        raise ConfigurationError(
            f"the journal {path} is on a file system that other machines see too ({kind.decode()}), where two "
            "processes could send the same order: put it on a local disk of this machine, or use PostgreSQL for "
            "several machines"
        )


def _is_mounted(path: Path) -> bool:
    """Return True if the file itself is a mount, where the system shows it; overlays make device numbers unreliable."""
    return _escaped(path) in _mounts()


def _mounts() -> dict[bytes, bytes]:
    """Return the kind of file system of each mount; of several at one place, the last."""
    try:
        lines = [line.split(b" ") for line in _MOUNTS.read_bytes().splitlines()]
    except OSError:
        return {}
    return {fields[4]: fields[fields.index(b"-") + 1] for fields in lines if b"-" in fields}


def _escaped(path: Path) -> bytes:
    return b"".join(_ESCAPED.get(byte, bytes([byte])) for byte in os.fsencode(path))


class OpenFileIdentity:
    """Names of an open journal's file and side files, with the identity that each had when it was opened."""

    def __init__(self, path: Path, *beside: Path) -> None:
        self._path = path
        self._names = (path, *beside)
        self._known: dict[Path, _Identity] = {}

    def check(self, connection: sqlite3.Connection) -> None:
        """Check that all names still refer to the open files, and record the identity of a name that is new.

        Raises:
            JournalWriteError: one does not; the message names the saved copy, if saving it succeeded.
        """
        for name in self._names:
            identity = _identity(name)
            if identity != self._known.get(name, identity):
                raise JournalWriteError(self._lost(name, connection))
            if identity is not None:
                self._known[name] = identity

    def _lost(self, name: Path, connection: sqlite3.Connection) -> str:
        saved = self._path.with_name(f"{self._path.name}.saved-{os.getpid()}-{os.urandom(4).hex()}")
        lost_file = f"{name} was removed or replaced while the journal was open: no more orders are sent"
        try:
            write_new_file(saved, b"")
            connection.execute("VACUUM INTO ?", (str(saved),))
        except (OSError, sqlite3.Error) as error:
            lost = f"its records are lost ({error})"
            return f"{lost_file}; {lost}: restore a copy, and look up every order first: {VERIFY}"
        return f"{lost_file}; its records are in {saved}: rename that file to {self._path.name} before you continue"


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
