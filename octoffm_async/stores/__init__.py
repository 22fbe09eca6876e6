"""State that processes and machines share: the database, and encryption of what is stored there."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .database import Database
    from .encryption import DecryptionError, Encryptor, new_key
else:
    __getattr__, __dir__ = lazy_names(  # importing this package needs no extra, using it does
        __name__,
        {
            "octoffm_async.stores.database": ("Database",),
            "octoffm_async.stores.encryption": (
                "DecryptionError",
                "Encryptor",
                "new_key",
            ),
        },
    )

__all__ = [
    "Database",
    "DecryptionError",
    "Encryptor",
    "new_key",
]
