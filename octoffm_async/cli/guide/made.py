"""The pages that are made of the program: all commands with their options, all settings with their reasons."""

from __future__ import annotations

import ast
import inspect
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from ...config import Config
from ...settings.sources import KINDS, variable_of
from ..settings.show import value_text
from .man import commands_below
from .pages import GuidePage, read_page

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLUMNS = 110


def whole_page(name: str) -> GuidePage:
    """Return a page by its name, with what is made of the program at its end."""
    page = read_page(name)
    made = {"commands": _commands, "settings": _settings}.get(name)
    return page if made is None else page._replace(text="\n".join([page.text, *made()]))


def _commands() -> Iterator[str]:
    for context in commands_below(click.get_current_context().find_root().command):
        context.terminal_width = _COLUMNS
        yield f"## {context.info_name}\n\n```text\n{context.get_help()}\n```\n"


def _settings() -> Iterator[str]:
    default = Config(client_id="-", client_secret="-", seller_id="-")  # noqa: S106
    for name, reason in _reasons().items():
        value = "" if reason.startswith("Required") else value_text(name, getattr(default, name))
        yield f"## {name}\n\n`{variable_of(name)}`{f', by default `{value}`' if value else ''}. {reason}\n"


def _reasons() -> dict[str, str]:
    """Return the text below each setting in the source of :class:`Config`, as Markdown."""
    tree = ast.parse((files("octoffm_async") / "config.py").read_text(encoding="utf-8"))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == Config.__name__)
    found: dict[str, str] = {}
    for node, below in pairwise(body):
        match node, below:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))) if name in KINDS:
                found[name] = inspect.cleandoc(text).replace("``", "`")
            case _:
                pass
    return found
