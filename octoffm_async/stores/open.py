"""The store at an address."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..config import Secret
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .base import KeyValueStore

__all__ = ["open_store"]


def open_store(address: str | os.PathLike[str] | Secret) -> KeyValueStore:
    """Return the store at an address, for ``async with``: a file's path, ``postgresql://…`` or ``redis://…``.

    Raises:
        ConfigurationError: the address is of no known kind, its extra is not installed, or the file is not safe to use.
    """
    text = address.reveal() if isinstance(address, Secret) else os.fspath(address)
    scheme, is_url, _ = text.partition("://")
    if not is_url and text.strip() and "\0" not in text:
        from .file import FileStore

        return FileStore(text)
    if scheme in ("postgresql", "postgres"):
        try:
            from .postgres import PostgresStore
        except ImportError:
            raise ConfigurationError(
                "a store in PostgreSQL needs an extra: pip install 'octoffm-async[cluster]'"
            ) from None
        return PostgresStore(text)
    if scheme in ("redis", "rediss", "unix"):
        from .redis import RedisStore

        return RedisStore(text)
    raise ConfigurationError(  # the address is not shown: it may contain a password
        "the address of a store is a file's path, postgresql://user@host/name or redis://host:6379/0"
    )
