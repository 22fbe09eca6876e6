"""A consistent copy of a journal's file, also while another process writes to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ....disk.private_file import draft_beside, sync_folder
from ....errors import ConfigurationError, JournalError, JournalWriteError
from .. import schema
from .completeness import log_of, note_backup

__all__ = ["back_up"]


def back_up(journal: str | os.PathLike[str], target: str | os.PathLike[str], *, now: float) -> None:
    """Write a copy of the journal to ``target``, readable by its owner only: a whole copy or none.

    The copy holds everything that was durable at ``now``, in seconds since 1970. A copy that is restored later does not
    know what was sent since then: the journal logs a warning when it is first written to, and each order that is new to
    the journal is looked up before it is sent (:mod:`.change_record`).

    Raises:
        ConfigurationError: ``target`` exists; a backup overwrites nothing.
        JournalError: the journal does not exist, or is damaged.
        JournalWriteError: the copy cannot be written.
    """
    source, target = Path(journal).resolve(), Path(target).absolute()
    try:
        schema.check_folder(target)
        for there in (target, log_of(target)):
            if os.path.lexists(there):
                raise ConfigurationError(f"{there} is there already: a backup overwrites nothing")
        version = schema.recognise(source)
        if version is None:
            raise JournalError(f"there is no journal {source}")
        draft = draft_beside(target)
        try:
            _copy(source, draft, version, now)
            _put(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{error.filename2 or error.filename} is there already: a backup overwrites nothing"
        ) from None
    except OSError as error:
        raise JournalWriteError(f"the backup {target} cannot be made: {error.strerror}") from error


def _copy(source: Path, draft: Path, version: int, now: float) -> None:
    try:
        with closing(schema.connect(source, read_only=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(draft),))
    except sqlite3.Error as error:
        raise schema.translated(error, source) from error
    try:
        with closing(schema.connect(draft)) as connection:
            if version >= schema.MARKED:
                note_backup(connection, now)
    except sqlite3.Error as error:
        raise schema.translated(error, draft) from error


def _put(draft: Path, target: Path) -> None:
    """Rename the copy to its final name, unless the name has been taken in the meantime."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        draft.rename(target)
    sync_folder(target.parent)
