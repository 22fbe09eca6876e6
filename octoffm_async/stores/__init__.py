"""State that processes and machines share: one protocol of keys and values, its stores, and encryption.

:func:`open_store` returns the store at an address; the author of another one implements :class:`KeyValueStore`.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .base import KeyValueStore, MemoryStore, StoredValues, ValueChange
    from .database import Database
    from .encryption import DecryptionError, Encryptor, new_key
    from .file import FileStore
    from .open import open_store
    from .postgres import PostgresStore
    from .redis import RedisStore
else:
    __getattr__, __dir__ = lazy_names(  # importing this package needs no extra, using it does
        __name__,
        {
            "octoffm_async.stores.base": ("ValueChange", "KeyValueStore", "MemoryStore", "StoredValues"),
            "octoffm_async.stores.database": ("Database",),
            "octoffm_async.stores.encryption": ("DecryptionError", "Encryptor", "new_key"),
            "octoffm_async.stores.file": ("FileStore",),
            "octoffm_async.stores.open": ("open_store",),
            "octoffm_async.stores.postgres": ("PostgresStore",),
            "octoffm_async.stores.redis": ("RedisStore",),
        },
    )

__all__ = [
    "Database",
    "DecryptionError",
    "Encryptor",
    "FileStore",
    "KeyValueStore",
    "MemoryStore",
    "PostgresStore",
    "RedisStore",
    "StoredValues",
    "ValueChange",
    "new_key",
    "open_store",
]
