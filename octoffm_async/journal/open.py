"""Journals by their address: a file, or PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .base import Journal, openers
from .sqlite.journal import SQLiteJournal

if TYPE_CHECKING:
    from .base import Durability

__all__ = ["Journal", "open_journal"]


def open_journal(address: str, *, durability: Durability, read_only: bool, verify_first: bool) -> Journal:
    """Return the journal at an address; see :meth:`octoffm_async.Journal.open`.

    Raises:
        ConfigurationError: the address of something else, or what PostgreSQL needs is not installed.
    """
    if address.startswith(("postgresql://", "postgres://")):
        try:
            from .postgres.journal import PostgresJournal
        except ImportError as error:
            raise ConfigurationError(
                f"a journal in PostgreSQL needs more ({error}): pip install 'octoffm-async[cluster]'"
            ) from error
        return PostgresJournal(address, read_only=read_only)
    if "://" in address:
        raise ConfigurationError(f"a journal is a file or in PostgreSQL, not {address.partition('://')[0]}://…")
    return SQLiteJournal(address, durability=durability, read_only=read_only, verify_first=verify_first)


openers[:] = [open_journal]
