"""The file that keeps the differences between answers and the contract, over several runs. It blocks.

It is JSON: format, version, and each difference once with the times at which a run first and last met it. It holds
names of fields and JSON types, no values of customers; only its owner can read it (0600) all the same.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from ...disk.private_file import write_file
from ...errors import ConfigurationError
from ...events import DriftKind

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from ...events import ContractDrift

if sys.platform != "win32":
    import fcntl

FORMAT = "octoffm-drift"
VERSION = 1
MAX_ENTRIES = 1000
"""Differences that are kept; later ones are left out."""
_MOST_BYTES = 4 * 1024 * 1024
_LOCK_SECONDS = 2.0
_LOCK_PAUSE = 0.01


class DriftFileError(Exception):
    """A file that cannot be read or written, or that holds something else; it is unchanged."""


class DriftEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One difference (see :class:`~octoffm_async.ContractDrift`), and the first and last time that a run met it."""

    operation: str
    path: str
    kind: DriftKind
    found: str
    first_seen: datetime
    last_seen: datetime

    @classmethod
    def of(cls, event: ContractDrift, now: datetime) -> DriftEntry:
        """Return the entry of a difference that was met now."""
        fields = msgspec.structs.asdict(event)
        return cls(**fields, first_seen=now, last_seen=now)

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity of the difference; two entries with the same key are one difference."""
        return self.operation, self.path, self.kind


class _DriftDocument(msgspec.Struct, kw_only=True):
    format: str
    version: int
    drift: list[DriftEntry]


_decoder = msgspec.json.Decoder(_DriftDocument)


def drift_path_of_journal(journal: Path) -> Path:
    """Return the path of the file that keeps the differences met by the runs of a journal."""
    return journal.with_name(f"{journal.name}.drift.json")


def read_drift(path: Path) -> list[DriftEntry]:
    """Return the differences that a file keeps, in the order in which they were met.

    Raises:
        FileNotFoundError: There is no such file.
        DriftFileError: The file cannot be read, or holds something else.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DriftFileError(f"{path} is not a file")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DriftFileError(f"cannot read {path}: {error.strerror or error}") from None
    if len(content) > _MOST_BYTES:
        raise DriftFileError(f"{path} is larger than {_MOST_BYTES >> 20} MiB")
    try:
        drift_document = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DriftFileError(f"{path} is damaged, or holds something other than differences") from None
    if drift_document.format != FORMAT or drift_document.version != VERSION:
        raise DriftFileError(
            f"{path} is of another kind or version ({drift_document.format!r}, {drift_document.version})"
        )
    return drift_document.drift


def merged(*parts: Iterable[DriftEntry]) -> list[DriftEntry]:
    """Return each difference once, with the earliest and the latest time at which it was met."""
    found: dict[tuple[str, str, str], DriftEntry] = {}
    for seen in (one for part in parts for one in part):
        before = found.setdefault(seen.key, seen)
        first, last = min(before.first_seen, seen.first_seen), max(before.last_seen, seen.last_seen)
        found[seen.key] = msgspec.structs.replace(before, first_seen=first, last_seen=last)
    return list(found.values())


def record_drift(path: Path, seen: Iterable[DriftEntry]) -> None:
    """Add differences to a file, which is created if it does not exist and replaced as a whole.

    Raises:
        DriftFileError: The file cannot be read or written, or holds something else; it is unchanged.
    """
    try:
        with _exclusive(path.parent):
            try:
                before = read_drift(path)
            except FileNotFoundError:
                before = []
            drift_document = _DriftDocument(format=FORMAT, version=VERSION, drift=merged(before, seen)[:MAX_ENTRIES])
            write_file(path, msgspec.json.format(msgspec.json.encode(drift_document)) + b"\n")
    except OSError as error:
        raise DriftFileError(f"cannot write {path}: {error.strerror or error}") from None
    except ConfigurationError as error:
        raise DriftFileError(f"cannot write {path}: {error}") from None


@contextmanager
def _exclusive(folder: Path) -> Generator[None]:
    """Exclude other processes that write a file of the same folder, as far as the system allows.

    The folder itself is locked, so that no lock file remains. A lock is held for milliseconds: a process that does not
    get it in two seconds continues without, and at worst a difference is kept at the next run only.
    """
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _LOCK_SECONDS
        with suppress(OSError):  # a file system without locks
            while time.monotonic() < end:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(_LOCK_PAUSE)
                else:
                    break
        yield
    finally:
        os.close(descriptor)
