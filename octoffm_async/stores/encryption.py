"""Encryption of the values that stores keep outside this process, if a key is given.

The key is a Fernet key (AES-128 in CBC mode with an HMAC, from the package ``cryptography``). A process with the key
can read and write encrypted values; an operator of the server without it can do neither. Generate a key, and give it to
every process::

    python -c "from octoffm_async.stores import new_key; print(new_key())"
    export OCTOFFM_CLUSTER_KEY=…

An encrypted value is bound to the name of its key in the store, so that it can be decrypted under no other name. Names
contain the encryption key's :attr:`Encryptor.key_id`: processes with another key, or with none, do not see the values
of this one. So to change the key, start the processes with a new one; since tokens are short-lived, no value needs to
be encrypted again.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from typing import TYPE_CHECKING

from ..config import Secret
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

__all__ = ["VARIABLE", "DecryptionError", "Encryptor", "new_key"]

VARIABLE = "OCTOFFM_CLUSTER_KEY"
"""The environment variable that holds the key."""


class DecryptionError(ValueError):
    """The error of a value that was not encrypted with this key under this name, or was changed since."""


class Encryptor:
    """Encryption and decryption with ``key``, by default that of ``OCTOFFM_CLUSTER_KEY``; none without a key.

    Raises:
        ConfigurationError: the key is not a Fernet key, or the extra for encryption is not installed.
    """

    def __init__(self, key: Secret | str | None = None) -> None:
        text = os.environ.get(VARIABLE) or None if key is None else Secret(key).reveal()
        self._fernet = None if text is None else _fernet(text)
        self.key_id: str = "" if text is None else hmac.digest(text.encode(), b"octoffm_async mark", "sha256").hex()[:8]
        """The key's id: eight hexadecimal digits from which the key cannot be found; empty without a key."""

    @property
    def encrypts(self) -> bool:
        """True if there is a key."""
        return self._fernet is not None

    def encrypt(self, content: bytes, name: str) -> bytes:
        """Encrypt ``content`` for storage under ``name``."""
        return content if self._fernet is None else self._fernet.encrypt(_bound(name) + content)

    def decrypt(self, kept: bytes, name: str) -> bytes:
        """Decrypt a value that is stored under ``name``.

        Raises:
            DecryptionError: the value was not encrypted with this key for this name.
        """
        if self._fernet is None:
            return kept
        from cryptography.fernet import InvalidToken

        try:
            content = self._fernet.decrypt(kept)
        except InvalidToken:
            raise DecryptionError("the value was encrypted with another key, or changed since") from None
        if not content.startswith(_bound(name)):
            raise DecryptionError("the value was encrypted under another name")
        return content.removeprefix(_bound(name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key_id or 'without a key'}>"


def new_key() -> str:
    """Return a new key."""
    return _fernet_type().generate_key().decode()


def _bound(name: str) -> bytes:
    return name.encode() + b"\0"


def _fernet_type() -> type[Fernet]:
    try:
        from cryptography.fernet import Fernet
    except ModuleNotFoundError:
        raise ConfigurationError(
            "encryption needs an extra: pip install 'octoffm-async[redis]' (or 'octoffm-async[cluster]')"
        ) from None
    return Fernet


def _fernet(text: str) -> Fernet:
    try:
        size = len(base64.urlsafe_b64decode(text.encode("ascii")))
    except (UnicodeEncodeError, binascii.Error):
        size = 0
    if size != 32:
        raise ConfigurationError(
            f"the encryption key (argument, or {VARIABLE}) is not 32 bytes in URL-safe Base64; "
            "octoffm_async.stores.new_key() makes one"
        )
    return _fernet_type()(text.encode())
