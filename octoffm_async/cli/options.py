"""Forms of options that several commands share."""

from __future__ import annotations

import logging
import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..sandbox.__main__ import parse_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bound="Callable[..., Any]")


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


def journal_option(command: F) -> F:
    """``--journal PATH``, or ``OCTOFFM_JOURNAL``; the command gets ``journal: Path``."""
    return click.option(
        "--journal",
        type=click.Path(path_type=Path),
        envvar="OCTOFFM_JOURNAL",
        show_envvar=True,
        required=True,
        metavar="PATH",
        help="The journal's file.",
    )(command)


def json_option(command: F) -> F:
    """``--json``; the command gets ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")(command)


def verify_option(command: F) -> F:
    """``--verify-first``; the command gets ``verify_first: bool``."""
    return click.option(
        "--verify-first",
        is_flag=True,
        help="Look every order up before it is sent: where the journal was lost, or put back as it was before.",
    )(command)


def verbose_option(command: F) -> F:
    """``-v``, behind a command as well as before it."""

    def tell_more(_context: click.Context, _option: click.Parameter, given: bool) -> None:
        if given:
            log_calls()

    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=tell_more,
        help="Tell more: log calls, show tracebacks.",
    )(command)


def log_calls() -> None:
    """Write what the client does to standard error."""
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(message)s")


def contract_option(command: F) -> F:
    """``--contract FILE``; the command gets ``contract: Path | None``."""
    return click.option(
        "--contract",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A contract file: how the API spells things, in place of OCTOFFM_CONTRACT.",
    )(command)


def drift_option(command: F) -> F:
    """``--drift FILE``; the command gets ``drift: Path | None``."""
    return click.option(
        "--drift",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_in_a_folder,
        metavar="FILE",
        help="Keep how answers differ from the contract, in place of OCTOFFM_DRIFT; see: octoffm contract drift.",
    )(command)


def _in_a_folder(context: click.Context, option: click.Parameter, given: Path | None) -> Path | None:
    if given is not None and not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}", context, option)
    return given


def env_file_option(command: F) -> F:
    """``--env-file FILE``; the command gets ``env_file: Path | None``, and :func:`environment` reads it."""
    return click.option(
        "--env-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Lines such as OCTOFFM_SELLER_ID=98979; they win over the environment.",
    )(command)


def environment(env_file: Path | None) -> dict[str, str]:
    """The environment, with the ``OCTOFFM_`` variables of a file over it, such as ``octoffm sandbox`` prints.

    Raises:
        ClickException: it cannot be read; what stands in it is not shown.
    """
    found = dict(os.environ)
    if env_file is None:
        return found
    try:
        lines = env_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise click.ClickException(f"cannot read {env_file}: {why}") from None
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals:
            raise click.ClickException(f"{env_file}, line {number}: not NAME=value")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if name.strip().startswith("OCTOFFM_"):
            found[name.strip()] = value
    return found
