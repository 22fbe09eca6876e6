"""``octoffm guide``: the pages of the guide on the terminal, or as a static site."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem
from rich.markdown import Markdown

from ..documents import write_files
from ..progress import SafeConsole
from .pages import ORDER, GuidePage, read_page

if TYPE_CHECKING:
    _Type = click.ParamType[GuidePage]
else:  # click has made it generic only lately
    _Type = click.ParamType

_WIDE = 124
"""Most terminal columns of a page: as many as the lines of its code need."""


class PageName(_Type):
    """The name of a page, or a unique beginning of one."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> GuidePage:
        """Return the page; fail with the nearest names where there is none."""
        given = str(value).lower().removesuffix(".md")
        found = [given] if given in ORDER else [name for name in ORDER if name.startswith(given)]
        if len(found) != 1:
            near = found or get_close_matches(given, ORDER, n=3) or ORDER
            self.fail(f"no page {given!r}; there are {', '.join(near)}", param, ctx)
        from .made import whole_page

        return whole_page(found[0])

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with a text."""
        del ctx, param
        return [CompletionItem(name) for name in ORDER if name.startswith(incomplete)]


@click.command(short_help="Read the guide: each task, and what may go wrong.")
@click.argument("page", metavar="[NAME]", required=False, type=PageName())
@click.option("--html", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write all pages as a site.")
def guide(page: GuidePage | None, folder: Path | None) -> None:
    """Read the guide: what to do, step by step, and what to do when something goes wrong.

    Without NAME the command lists the pages. On a terminal a page is laid out for reading; in a pipe it is the
    Markdown text. The site of --html is static: it has a search, and needs no server and no network.

    \b
    octoffm guide first-order
    octoffm guide troubleshooting | less
    octoffm guide --html site
    """
    if folder is not None:
        _write_site(folder, page)
    elif page is None:
        width = max(map(len, ORDER)) + 2
        for name in ORDER:
            click.echo(f"{name:{width}}{read_page(name).summary}")
    elif sys.stdout.isatty():
        console = SafeConsole()
        console.print(Markdown(page.text, hyperlinks=False), width=min(console.width, _WIDE))
    else:
        sys.stdout.write(page.text)


def _write_site(folder: Path, page: GuidePage | None) -> None:
    from .made import whole_page
    from .site import site_files

    pages = [page] if page is not None else [whole_page(name) for name in ORDER]
    write_files(folder, site_files(pages))
    click.echo(f"{folder / 'index.html'}: {len(pages)} pages")
