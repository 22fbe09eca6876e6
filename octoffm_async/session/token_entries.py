"""What a store outside this process's memory keeps of one account, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from ..config import Secret
from .token_stores import SharedRefusal, SharedToken


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is kept of one account."""

    token: SharedToken | None = None
    refusal: SharedRefusal | None = None


def encode_secret(value: Any) -> str:
    """For an encoder: the text of a secret."""
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def decode_secret(kind: type, value: object) -> Secret:
    """For a decoder: a token, which is printable ASCII since it is sent in a header. An error shows nothing of it."""
    if kind is not Secret or not isinstance(value, str) or not value or not all("!" <= sign <= "~" for sign in value):
        raise ValueError("not a token")
    return Secret(value)


_encoder = msgspec.json.Encoder(enc_hook=encode_secret)
_decoder = msgspec.json.Decoder(Entry, dec_hook=decode_secret)


def encode_entry(entry: Entry) -> bytes:
    """An entry as JSON."""
    return _encoder.encode(entry)


def decode_entry(content: bytes) -> Entry:
    """The entry of some JSON.

    Raises:
        ValueError: there is none in it.
    """
    return _decoder.decode(content)
