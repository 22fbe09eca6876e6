"""The pages of the guide, which are Markdown files of this package."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

ORDER = (
    "first-order",
    "web-backend",
    "synchronous-code",
    "nightly-job",
    "stock-mirror",
    "limits",
    "nothing-twice",
    "answers",
    "many-machines",
    "first-hour",
    "testing",
    "extending",
    "observability",
    "troubleshooting",
    "commands",
    "settings",
    "migration",
    "security",
    "internals",
    "glossary",
)
"""The names of the pages, in the order in which a new user needs them."""


class GuidePage(NamedTuple):
    """A page: its name, and its Markdown text, whose first line is the title and whose first paragraph the summary."""

    name: str
    text: str

    @property
    def title(self) -> str:
        """The title."""
        return self.text.partition("\n")[0].removeprefix("# ")

    @property
    def summary(self) -> str:
        """The first sentence below the title, on one line."""
        paragraph = self.text.split("\n\n", 2)[1]
        return " ".join(paragraph.split()).partition(". ")[0].removesuffix(".")


def read_asset(name: str) -> bytes:
    """Return a file of the static site, such as ``style.css``."""
    return (files("octoffm_async") / "guide" / "site" / name).read_bytes()


def read_page(name: str) -> GuidePage:
    """Return the file of a page by its name, which is one of ``ORDER``."""
    return GuidePage(name, (files("octoffm_async") / "guide" / f"{name}.md").read_text(encoding="utf-8"))
