"""Forms of options that several commands share."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

import click

from ..sandbox.__main__ import parse_limit

if TYPE_CHECKING:
    from collections.abc import Sequence


def pairs(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """``field=text``, given any number of times, as a dictionary."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not FIELD=…", context, option)
        if name.strip() in found:
            raise click.BadParameter(f"{name.strip()} is given more than once", context, option)
        found[name.strip()] = value.strip()
    return found


def rate(context: click.Context, option: click.Parameter, given: str | None) -> tuple[int, float] | None:
    """``100/1`` as 100 requests per 1 second."""
    try:
        return None if given is None else parse_limit(given)
    except ArgumentTypeError as error:
        raise click.BadParameter(str(error), context, option) from None
