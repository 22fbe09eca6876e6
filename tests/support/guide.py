"""The code blocks of the guide's pages."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block: its language, its file if it names one, and its text."""

    language: str
    file: str
    text: str


def blocks_of(text: str) -> list[Block]:
    found = [Block(*match.groups(default="")) for match in _FENCE.finditer(text)]
    assert len(found) * 2 == len(re.findall("^```", text, re.MULTILINE)), "a fence is not closed, or has no language"
    return found


def write_files(page: str, folder: Path) -> None:
    """Write the files that a page names, as a reader would."""
    text = (files("octoffm_async") / "guide" / f"{page}.md").read_text("utf-8")
    for block in blocks_of(text):
        if block.file:
            (folder / block.file).write_text(block.text, "utf-8")
