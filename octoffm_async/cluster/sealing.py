"""Sealing: what is kept on a server that others run is encrypted, if a key is given.

The key is one of Fernet's (AES-128 in CBC mode with an HMAC, from the package ``cryptography``). Whoever has it can
read and write what is sealed; whoever has only the server can do neither. Make one, and give it to every process::

    python -c "from octoffm_async.cluster.sealing import new_key; print(new_key())"
    export OCTOFFM_CLUSTER_KEY=…

What is sealed is bound to the name that it is kept under, so that it opens under no other. Names carry the key's
:attr:`Sealer.mark`: processes with another key, or with none, do not see what is kept with this one. So a key is
changed by starting processes with a new one; since tokens are short-lived, nothing needs to be sealed anew.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os

from ..config import Secret
from ..errors import ConfigurationError

try:
    from cryptography.fernet import Fernet, InvalidToken
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "octoffm_async.cluster.sealing needs cryptography: pip install 'octoffm-async[cluster]'", name=missing.name
    ) from missing

__all__ = ["VARIABLE", "BrokenSealError", "Sealer", "new_key"]

VARIABLE = "OCTOFFM_CLUSTER_KEY"
"""Where the key is looked for."""


class BrokenSealError(ValueError):
    """What is kept was not sealed with this key under this name, or was changed since."""


class Sealer:
    """Seals and opens with ``key``, by default that of ``OCTOFFM_CLUSTER_KEY``; without one, all stays as it is.

    Raises:
        ConfigurationError: the key is none of Fernet's.
    """

    def __init__(self, key: Secret | str | None = None) -> None:
        text = os.environ.get(VARIABLE) or None if key is None else Secret(key).reveal()
        self._fernet = None if text is None else Fernet(_checked(text))
        self.mark = "" if text is None else hmac.digest(text.encode(), b"octoffm_async mark", "sha256").hex()[:8]
        """Eight hexadecimal digits for each key, from which it cannot be found; empty without a key."""

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return self._fernet is not None

    def seal(self, content: bytes, name: str) -> bytes:
        """``content`` as it may be kept under ``name``."""
        return content if self._fernet is None else self._fernet.encrypt(_bound(name) + content)

    def open(self, kept: bytes, name: str) -> bytes:
        """The content of what is kept under ``name``.

        Raises:
            BrokenSealError: it was not sealed with this key for this name.
        """
        if self._fernet is None:
            return kept
        try:
            content = self._fernet.decrypt(kept)
        except InvalidToken:
            raise BrokenSealError("it was sealed with another key, or changed since") from None
        if not content.startswith(_bound(name)):
            raise BrokenSealError("it was sealed under another name")
        return content.removeprefix(_bound(name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.mark or 'without a key'}>"


def new_key() -> str:
    """A new key."""
    return Fernet.generate_key().decode()


def _bound(name: str) -> bytes:
    return name.encode() + b"\0"


def _checked(text: str) -> bytes:
    try:
        size = len(base64.urlsafe_b64decode(text.encode("ascii")))
    except (UnicodeEncodeError, binascii.Error):
        size = 0
    if size != 32:
        raise ConfigurationError(
            f"the key for sealing (argument, or {VARIABLE}) is not 32 bytes in URL-safe Base64; "
            "octoffm_async.cluster.sealing.new_key() makes one"
        )
    return text.encode()
