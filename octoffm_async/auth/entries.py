"""The JSON encoding of an account's entry in a token store outside this process's memory."""

from __future__ import annotations

from typing import Any

import msgspec

from ..config import Secret
from .store import SharedRefusal, SharedToken


class TokenEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The stored data of one account."""

    token: SharedToken | None = None
    refusal: SharedRefusal | None = None


def encode_secret(value: Any) -> str:
    """Return the text of a secret, as a hook of an encoder."""
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def decode_secret(kind: type, value: object) -> Secret:
    """Return a token, as a hook of a decoder: printable ASCII, as it is sent in a header. Errors do not show it."""
    if kind is not Secret or not isinstance(value, str) or not value or not all("!" <= sign <= "~" for sign in value):
        raise ValueError("not a token")
    return Secret(value)


_encoder = msgspec.json.Encoder(enc_hook=encode_secret)
_decoder = msgspec.json.Decoder(TokenEntry, dec_hook=decode_secret)


def encode_entry(entry: TokenEntry) -> bytes:
    """Return an entry as JSON."""
    return _encoder.encode(entry)


def decode_entry(content: bytes) -> TokenEntry:
    """Return the entry in some JSON.

    Raises:
        ValueError: The JSON contains no entry.
    """
    return _decoder.decode(content)
