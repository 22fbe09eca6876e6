"""Encoding of names and values as TOML."""

import json
import re
from collections.abc import Mapping
from typing import cast

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def quoted(text: str) -> str:
    """Return a text as a basic string of TOML; it must contain printable characters only."""
    return json.dumps(text, ensure_ascii=False)


def key(name: str) -> str:
    """Return a key, quoted if TOML requires it."""
    return name if _BARE.fullmatch(name) else quoted(name)


def value(said: object) -> str | None:
    """Return a JSON value as TOML; None for a value that TOML cannot represent, such as null."""
    if isinstance(said, bool):
        return "true" if said else "false"
    if isinstance(said, int | float):
        return repr(said)
    if isinstance(said, str):
        return quoted(said) if said.isprintable() else None
    if isinstance(said, list):
        parts = [value(one) for one in cast("list[object]", said)]
        return None if None in parts else f"[{', '.join(part or '' for part in parts)}]"
    if isinstance(said, Mapping):
        members = {key(str(name)): value(one) for name, one in cast("Mapping[object, object]", said).items()}
        if None in members.values() or not all(name.isprintable() for name in members):
            return None
        return f"{{ {', '.join(f'{name} = {one}' for name, one in members.items())} }}"
    return None
