"""The kind of file system that a file is on, where the system shows it."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs"}
    | {"lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "pvfs2", "smb3", "smbfs", "virtiofs"}
)
"""File systems that several machines can mount: locks and shared memory of SQLite do not reach from one to another."""


def remote_file_system(folder: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of the file system that holds a folder if it is one of other machines, else ``None``."""
    try:
        lines = os.fsdecode(mounts.read_bytes()).splitlines()
    except OSError:
        return None
    place, best, found = str(folder.resolve()), -1, ""
    for line in lines:
        fields, _, kinds = line.partition(" - ")
        point = fields.split(" ")[4].replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", "\\")
        if len(point) >= best and (place == point or place.startswith(point.rstrip("/") + "/")):
            best, found = len(point), kinds.split(" ")[0]  # a later mount at one point hides the earlier ones
    return found if found in _REMOTE else None
