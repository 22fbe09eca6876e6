"""JSON with small damage: bytes that are not UTF-8, half a surrogate pair, raw control characters inside texts.

One bad text must not cost a page of a thousand rows, so each byte that cannot be a character becomes U+FFFD. Broken
structure is not repaired: it raises ``ValueError``.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from ...contract.answers.json_values import is_array, is_object

# An unterminated text is matched too: else each quotation mark in it would cause a search to the end again.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CHARSET = re.compile(
    r"charset\s*=\s*\"?\s*(iso-8859-1|iso-8859-15|windows-1252|latin-?1|us-ascii|utf-?8)\b", re.IGNORECASE
)


def parse(body: bytes, content_type: str) -> Any:
    """Return the JSON value of a body, repaired.

    Raises:
        ValueError: The body is not JSON.
        RecursionError: The body is nested too deeply.
    """
    text = _STRING.sub(_without_controls, _text(body, content_type).removeprefix("\ufeff"))
    return _whole(json.loads(text, parse_constant=_refuse))


def _text(body: bytes, content_type: str) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if (charset := _CHARSET.search(content_type)) is not None and not charset[1].lower().startswith("utf"):
        return body.decode(charset[1], errors="replace")
    try:
        return body.decode("utf-8", errors="surrogatepass")  # CESU-8: each half of a pair encoded by itself
    except UnicodeDecodeError:
        return body.decode("utf-8", errors="replace")


def _without_controls(string: re.Match[str]) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", string[0])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _whole(value: Any) -> Any:
    """Return a value with whole characters in its texts: two surrogate halves become one, a single half U+FFFD."""
    if isinstance(value, str):
        if _SURROGATE.search(value) is None:
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if is_object(value):
        return {_whole(name): _whole(part) for name, part in value.items()}
    return [_whole(part) for part in value] if is_array(value) else value
