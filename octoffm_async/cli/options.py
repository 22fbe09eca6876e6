"""Options that several commands share."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..text import decode_text, printable, safe_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


F = TypeVar("F", bound="Callable[..., Any]")
OFF = "off"


def with_options(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return a decorator that adds options to a command, in the order in which its help shows them."""

    def decorate(command: F) -> F:
        for option in reversed(options):  # the option that is applied last is the first one in the help
            command = option(command)
        return command

    return decorate


def parse_pairs(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Parse ``field=text``, given any number of times, into a dictionary."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not FIELD=…", context, option)
        if name.strip() in found:
            raise click.BadParameter(f"{name.strip()} is given more than once", context, option)
        found[name.strip()] = value.strip()
    return found


def renamed_option(
    name: str, old: str, *, callback: Callable[..., Any] | None = None, into: str | None = None, **settings: Any
) -> Callable[[F], F]:
    """Return an option whose former name is still accepted, for one release, with a note on standard error."""

    def keep(context: click.Context, _option: click.Parameter, given: Any) -> None:
        if given is not None:
            note(f"{old} is {name} from now on, and goes with the next release")
            context.meta[f"octoffm.{old}"] = given

    def read(context: click.Context, option: click.Parameter, given: Any) -> Any:
        given = context.meta.get(f"octoffm.{old}", given)
        return given if callback is None else callback(context, option, given)

    def decorate(command: F) -> F:
        kind = settings.get("type")
        former = click.option(
            old, f"former_{old[2:]}", type=kind, hidden=True, expose_value=False, is_eager=True, callback=keep
        )
        return click.option(name, into or name[2:].replace("-", "_"), callback=read, **settings)(former(command))

    return decorate


def rate_option(help_text: str, *, off: bool = False, **settings: Any) -> Callable[[F], F]:
    """Return the option ``--rate N/T``, whose value is calls and seconds; with ``off``, it may be :data:`OFF`."""

    def read(context: click.Context, option: click.Parameter, given: str | None) -> tuple[int, float] | str | None:
        from argparse import ArgumentTypeError

        from ..sandbox.__main__ import parse_limit

        try:
            return given if given is None or (off and given == OFF) else parse_limit(given)
        except ArgumentTypeError as error:
            raise click.BadParameter(str(error), context, option) from None

    metavar = "N/T|off" if off else "N/T"
    return renamed_option("--rate", "--limit", callback=read, metavar=metavar, help=help_text, **settings)


class JournalAddress:
    """The address of a journal: a file, or a PostgreSQL database. Its text has no password: it is for people.

    ``file`` is ``None`` for a database.
    """

    def __init__(self, text: str) -> None:
        is_database = text.startswith(("postgresql://", "postgres://"))
        self.address: str = text
        self.file: Path | None = None if is_database else Path(text)

    def __str__(self) -> str:
        if self.file is not None:
            return str(self.file)
        return re.sub(r"(?<=//)([^:@/?]*):[^@/]*(?=@)", r"\1", self.address.partition("?")[0])

    def owns(self, path: Path) -> bool:
        """Return True for the file and those that belong beside it, which nothing else may overwrite."""
        if self.file is None:
            return False
        own, other = self.file.resolve(), path.resolve()
        beside = rf"{re.escape(own.name)}(?:-wal|-shm|\.lock|\.writer-\d+)?"
        return other.parent == own.parent and re.fullmatch(beside, other.name) is not None


def journal_address(_context: click.Context, _option: click.Parameter, given: str | None) -> JournalAddress | None:
    """Return the address that an option has, if it has one."""
    return None if given is None else JournalAddress(given)


def journal_option(command: F) -> F:
    """Add ``--journal PATH``, or ``OCTOFFM_JOURNAL``; the command receives ``journal: JournalAddress``."""
    return click.option(
        "--journal",
        callback=journal_address,
        envvar="OCTOFFM_JOURNAL",
        show_envvar=True,
        required=True,
        metavar="PATH",
        help="The journal: a file, or postgresql://user@host/name.",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json``; the command receives ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")(command)


def verify_option(command: F) -> F:
    """Add ``--verify-first``; the command receives ``verify_first: bool``."""
    return click.option(
        "--verify-first",
        is_flag=True,
        help="Look up every order before it is sent: for a journal that was lost, or restored from an older copy.",
    )(command)


def verbose_option(command: F) -> F:
    """Add ``-v`` and ``-q``, which are accepted before a command and behind it."""

    def log_more(_context: click.Context, _option: click.Parameter, given: bool) -> None:
        if given:
            log_calls()

    def say_less(context: click.Context, _option: click.Parameter, given: bool) -> None:
        context.meta[_QUIET] = given or context.meta.get(_QUIET, False)

    settings: dict[str, Any] = {"is_flag": True, "expose_value": False}
    verbose = click.option("-v", "--verbose", callback=log_more, help="Log calls and show tracebacks.", **settings)
    quiet = click.option("-q", "--quiet", callback=say_less, help="No progress, summary or notes.", **settings)
    return verbose(quiet(command))


_QUIET = "octoffm.quiet"


def is_quiet() -> bool:
    """Return True if the running command was told to give results and errors only."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_QUIET))


def note(text: str) -> None:
    """Print a note of the command on standard error, unless it was told to be quiet."""
    if not is_quiet():
        click.echo(f"octoffm: {text}", err=True)


class LineFormatter(logging.Formatter):
    """A formatter of records as one line each, without control characters: they hold texts of the API."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return safe_traceback(ei[1]).rstrip("\n") if ei[1] is not None else super().formatException(ei)


def log_calls() -> None:
    """Log the client's calls to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])


def contract_option(command: F) -> F:
    """Add ``--contract FILE``; the command receives ``contract: Path | None``."""
    return click.option(
        "--contract",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A contract file: the API's spelling of names, in place of OCTOFFM_CONTRACT.",
    )(command)


seller_option = click.option("--seller", metavar="ID", help="The seller to act for, in place of OCTOFFM_SELLER_ID.")
proxies_option = click.option("--proxies", is_flag=True, help="Use the proxies that HTTPS_PROXY and the like name.")


def timeout_option(seconds: int) -> Callable[[F], F]:
    """Return the option ``--timeout S``, with the seconds that hold without it."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help=f"Seconds that a call may take, retries included ({seconds}).",
    )


def calling_options(timeout: int) -> tuple[Callable[[Any], Any], ...]:
    """Return the options of every command that calls the API."""
    return (
        seller_option,
        env_file_option,
        timeout_option(timeout),
        proxies_option,
        contract_option,
        drift_option,
        json_option,
        verbose_option,
    )


def drift_option(command: F) -> F:
    """Add ``--drift FILE``; the command receives ``drift: Path | None``."""
    return click.option(
        "--drift",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_in_a_folder,
        metavar="FILE",
        help="Record how answers differ from the contract, in place of OCTOFFM_DRIFT; see: octoffm contract drift.",
    )(command)


def _in_a_folder(context: click.Context, option: click.Parameter, given: Path | None) -> Path | None:
    if given is not None and not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}", context, option)
    return given


def env_file_option(command: F) -> F:
    """Add ``--env-file FILE`` and the other sources of settings; :func:`environment` reads them all.

    The command receives ``env_file: Path | None``.
    """
    for name, metavar, text in (
        ("setting", "NAME=VALUE", "A setting such as limit=20/1, in place of OCTOFFM_LIMIT; see: octoffm config show."),
        ("profile", "NAME", "A profile of the settings' file, in place of OCTOFFM_PROFILE."),
        ("config", "FILE", "A file of settings (TOML), in place of OCTOFFM_CONFIG."),
    ):
        command = click.option(
            f"--{name}",
            metavar=metavar,
            multiple=name == "setting",
            expose_value=False,
            callback=_keep_variables,
            help=text,
        )(command)
    return click.option(
        "--env-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Lines such as OCTOFFM_SELLER_ID=98979; they override the environment.",
    )(command)


def _keep_variables(context: click.Context, option: click.Parameter, given: str | Sequence[str] | None) -> None:
    kept = given_variables(context)
    if isinstance(given, str):
        kept[f"OCTOFFM_{(option.name or '').upper()}"] = given
    elif given:
        from ..settings.secret_sources import SECRET_SOURCES
        from ..settings.sources import KINDS, nearest, variable_of

        for name, value in parse_pairs(context, option, given).items():
            if name == "client_secret":
                text = f"other users of this machine can read it here: set {SECRET_SOURCES[0]}=PATH, or the variable"
                raise click.BadParameter(text, context, option)
            if name not in KINDS and name not in SECRET_SOURCES:
                raise click.BadParameter(f"no setting {name}{nearest(name, KINDS)}", context, option)
            kept[variable_of(name)] = value


def given_variables(context: click.Context | None) -> dict[str, str]:
    """Return the variables for which options of the command stand."""
    return {} if context is None else context.meta.setdefault("octoffm.variables", {})


def environment(env_file: Path | None) -> dict[str, str]:
    """Return the environment, overridden by a file's ``OCTOFFM_`` variables, and those by the command's options.

    Raises:
        ClickException: The file cannot be read; its content is not shown.
    """
    return os.environ | _variables_in(env_file) | given_variables(click.get_current_context(silent=True))


def _variables_in(env_file: Path | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if env_file is None:
        return found
    try:
        lines = _text_of(env_file).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is neither UTF-8 nor UTF-16"
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


def _text_of(env_file: Path) -> str:
    """Return the text of a file; that of a pipe, which can be read only once, is kept for the next reader."""
    if (text := _piped.get(env_file)) is None:
        is_pipe = env_file.is_fifo()
        text = decode_text(env_file.read_bytes())
        if is_pipe:
            _piped[env_file] = text
    return text


_piped: dict[Path, str] = {}
