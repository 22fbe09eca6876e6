"""The guide as a static site: one HTML file a page, and one search index, which is read without a server."""

from __future__ import annotations

import re
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

import msgspec
from markdown_it import MarkdownIt

from .pages import GuidePage, read_asset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

_NOT_IN_ANCHORS = re.compile(r"[^a-z0-9]+")
_PAGE_LINK = re.compile(r"([a-z-]+)\.md(#.*)?")


class IndexEntry(msgspec.Struct, frozen=True):
    """One section of the search index."""

    file: str
    page: str
    heading: str
    text: str


def anchor(heading: str) -> str:
    """Return the anchor of a heading."""
    return _NOT_IN_ANCHORS.sub("-", heading.lower()).strip("-")


def site_files(pages: Sequence[GuidePage]) -> dict[str, bytes]:
    """Return the files of the site by name; a page's links to other pages lead to their files."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    template = Template(read_asset("page.html").decode())
    links = "".join(f'<li><a href="{page.name}.html">{escape(page.title)}</a></li>' for page in pages)
    files = {name: read_asset(name) for name in ("style.css", "search.js")}
    index: list[IndexEntry] = []
    for page in pages:
        tokens = markdown.parse(page.text)
        index += _sections(page, tokens)
        body: str = markdown.renderer.render(tokens, markdown.options, {})
        files[f"{page.name}.html"] = template.substitute(title=escape(page.title), links=links, body=body).encode()
    rows = "".join(
        f'<dt><a href="{page.name}.html">{escape(page.title)}</a></dt><dd>{escape(page.summary)}.</dd>'
        for page in pages
    )
    start = f"<h1>octoffm_async: the guide</h1><dl>{rows}</dl>"
    files["index.html"] = template.substitute(title="The guide", links=links, body=start).encode()
    files["index.js"] = b"const INDEX = " + msgspec.json.encode(index) + b";\n"
    return files


def _sections(page: GuidePage, tokens: Sequence[Token]) -> Iterator[IndexEntry]:
    """Give headings their anchors and links their files, and yield the sections for the index."""
    file, heading, texts = f"{page.name}.html", page.title, list[str]()
    for place, token in enumerate(tokens):
        for part in [token, *(token.children or ())]:
            if part.type == "link_open" and (found := _PAGE_LINK.fullmatch(_attribute(part, "href"))):
                part.attrSet("href", f"{found[1]}.html{found[2] or ''}")
        if token.type == "heading_open":
            yield IndexEntry(file, page.title, heading, " ".join(texts))
            heading = tokens[place + 1].content.replace("`", "")
            file, texts = f"{page.name}.html#{anchor(heading)}", []
            token.attrSet("id", anchor(heading))
        elif token.content:
            texts.append(" ".join(token.content.split()))
    yield IndexEntry(file, page.title, heading, " ".join(texts))


def _attribute(token: Token, name: str) -> str:
    value: Any = token.attrGet(name)
    return str(value or "")
