"""The text of settings that people write: UTF-8, or the UTF-16 and UTF-32 of Windows programs."""

from __future__ import annotations

import codecs

__all__ = ["decode_settings"]

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode_settings(content: bytes) -> str:
    """Return the text of a file of settings, without a byte order mark.

    Raises:
        UnicodeDecodeError: It is no text in one of these encodings.
    """
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding)
    if len(content) > 1 and 0 in content[:2]:  # no text of settings begins with a NUL
        return content.decode("utf-16-le" if content[0] else "utf-16-be")
    return content.decode("utf-8-sig")
