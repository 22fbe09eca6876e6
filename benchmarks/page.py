"""One page of results for readers: the saved tables and plots of a folder, with the machine, date and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .parts import PARTS

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """# Measured

Written by `python -m benchmarks page` from what `python -m benchmarks PART…` saved here. All cases of a table are
measured in interleaved rounds, in another order in each, on one machine and against one server, which checks that each
sent what it claims. A figure is the median over the rounds, with the quartiles behind it: what lies within another's
quartiles is no difference. Less is better, except for rates and for the used part of a limit.
"""


def write_page(folder: Path) -> Path:
    """Write ``README.md`` from the folder's JSON and SVG files, and return its path.

    Raises:
        FileNotFoundError: no part has saved its results there.
    """
    sections = [_section(path, part.about) for part in PARTS if (path := folder / f"{part.name}.json").exists()]
    if not sections:
        raise FileNotFoundError(f"no results in {folder}: run some parts with --out {folder}")
    page = folder / "README.md"
    page.write_text("\n".join([HEAD, *sections]))
    return page


def _section(path: Path, about: str) -> str:
    saved: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    around = saved["surroundings"]
    versions = ", ".join(f"{name} {version}" for name, version in around["packages"].items())
    load = f", load {around['load'][0]:.1f}" if around["load"] else ""
    machine = f"{around['processors']} processors ({around['processor']}){load}"
    blocks = [
        f"## {path.stem}: {about}\n",
        f"{around['date']}, Python {around['python']}, {machine}, {around['rounds']} rounds; {versions}\n",
    ]
    for table in saved["tables"]:
        blocks += [
            f"**{table['title']}**\n",
            *_picture(path, table["name"], table["title"]),
            f"```\n{table['text']}\n```\n",
        ]
    for lines in saved["lines"]:
        blocks += _picture(path, lines["name"], lines["title"])
    blocks += [f"- {note}" for note in saved["notes"]]
    return "\n".join(blocks) + "\n"


def _picture(path: Path, name: str, title: str) -> list[str]:
    picture = path.with_name(f"{path.stem}-{name}.svg")
    return [f"![{title}]({picture.name})\n"] if picture.exists() else []
