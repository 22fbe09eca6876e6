"""The top group of commands: global options, and the one place that turns errors into exit codes.

Nothing here imports the client before a command is called or has failed: see :mod:`.lazy`.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from ..text import OutputClosedError, SafeStream, UnwritableOutputError, safe_traceback
from ..version import __version__
from .lazy import Later, LazyGroup
from .options import verbose_option

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

COMMANDS = {
    "auth": Later("octoffm_async.cli.commands.auth:group", "Check the credentials and what they can reach."),
    "cluster": Later(
        "octoffm_async.cli.cluster.cluster:cluster", "Process files as jobs on many workers and machines."
    ),
    "config": Later("octoffm_async.cli.settings.show:group", "Settings, and where each comes from."),
    "contract": Later(
        "octoffm_async.cli.contract.contract:contract", "Export and check this version's description of the API."
    ),
    "demo": Later("octoffm_async.cli.demo.demo:demo", "See everything work, on an embedded emulator."),
    "guide": Later(
        "octoffm_async.cli.guide.guide:guide",
        "Read the guide: each task, and what may go wrong.",
    ),
    "inbound": Later("octoffm_async.cli.commands.inbound:group", "Supply orders: goods sent in to the warehouse."),
    "jobs": Later("octoffm_async.cli.jobs.jobs:jobs", "Inspect, resume, settle and back up runs in a journal."),
    "man": Later("octoffm_async.cli.guide.man:man", "Write a manual page of each command into DIR."),
    "orders": Later("octoffm_async.cli.commands.orders:group", "Shipping orders to customers."),
    "products": Later("octoffm_async.cli.commands.products:group", "Register products, and list what is registered."),
    "request": Later("octoffm_async.cli.commands.request:request", "Make any call, such as request GET /stocks."),
    "returns": Later("octoffm_async.cli.commands.returns:group", "Returns: parcels that come back to the warehouse."),
    "sandbox": Later(
        "octoffm_async.cli.commands.sandbox:sandbox", "Serve an emulator of the API on this machine until Ctrl-C."
    ),
    "stocks": Later("octoffm_async.cli.commands.stocks:group", "Stocks: quantities of each product in the warehouses."),
}


@click.group(
    cls=LazyGroup,
    later=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(__version__, prog_name="octoffm")
@verbose_option
@click.pass_context
def octoffm(context: click.Context) -> None:
    """Call Octopia's fulfillment API from the command line.

    Credentials come from OCTOFFM_CLIENT_ID, OCTOFFM_CLIENT_SECRET and OCTOFFM_SELLER_ID, or from --env-file; without
    an account, "octoffm sandbox" serves an emulator and prints variables for it.

    Exit codes: 0 all done, 1 some refused or failed, 2 usage or configuration, 3 some undecided, 4 an output could not
    be written, 130 interrupted, 141 the reader of the output has gone, 143 terminated.

    \b
    Tab completion, in bash (or zsh_source, fish_source):
      eval "$(_OCTOFFM_COMPLETE=bash_source octoffm)"
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    if "_OCTOFFM_COMPLETE" in os.environ:  # a shell reads bytes, of names that are ours
        return _run(arguments)
    with safe_output(), _terminable():
        code = _run(arguments)
        try:
            sys.stdout.flush()
        except UnwritableOutputError as error:
            code = _print_error(error)
        return code


@contextmanager
def safe_output() -> Generator[None]:
    """Let nothing reach a terminal that it would obey, nor an output that cannot hold it, while the block runs.

    A standard stream that is closed is /dev/null, lest a file that is opened later takes its place.
    """
    before = sys.stdout, sys.stderr
    if not isinstance(sys.stdout, SafeStream):
        for descriptor in range(3):
            try:
                os.fstat(descriptor)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        out, err = _standard(sys.stdout, 1), _standard(sys.stderr, 2)
        if sys.platform == "win32":
            import_module("colorama").just_fix_windows_console()
        sys.stdout = cast("TextIO", SafeStream(out))
        sys.stderr = cast("TextIO", SafeStream(err, name="standard error", quiet=True))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before if before[0] is not None else (sys.stdout, sys.stderr)


@contextmanager
def _terminable() -> Generator[None]:
    """Let SIGTERM end the command in order while the block runs; a second one ends it at once."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _standard(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
        reconfigure(errors="backslashreplace")
    return stream


def _run(arguments: Sequence[str] | None) -> int:
    words = sys.argv if arguments is None else arguments
    verbose, as_json = not {"-v", "--verbose"}.isdisjoint(words), not {"--json", "--jsonl"}.isdisjoint(words)
    try:
        result: Any = octoffm.main(arguments, prog_name="octoffm", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort) as error:
        return _print_end("interrupted", error, as_json=as_json)
    except SystemExit as error:
        if error.code != 128 + signal.SIGTERM:  # of a completion
            raise
        return _print_end("terminated", error, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    except click.ClickException as error:
        return _print_error(error, as_json=as_json)
    except Exception as error:
        from .errors import ExitCode, is_expected

        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE) and not verbose:
            sys.stderr.write("octoffm: too many open files: raise the limit (ulimit -n), or lower --concurrency\n")
            return ExitCode.REFUSED
        if not is_expected(error):
            raise
        if verbose:
            sys.stderr.write(safe_traceback(error))
        return _print_error(error, as_json=as_json)
    return int(result or 0)


def _print_end(text: str, error: BaseException, *, as_json: bool) -> int:
    from .errors import code_of, error_fields
    from .output import json_line

    line = json_line(error_fields(error, text)) if as_json else f"octoffm: {text}"
    sys.stderr.write(f"{line}\n")
    return code_of(error)


def _print_error(error: Exception, *, as_json: bool = False) -> int:
    from .advice import advice_for
    from .errors import code_of, details_of, error_fields, line_of
    from .output import json_line

    if isinstance(error, UnwritableOutputError):
        _silence_stdout()
        if isinstance(error, OutputClosedError):  # quiet, as programs are whose reader has enough
            return code_of(error)
    if as_json:
        sys.stderr.write(json_line(error_fields(error) | {"advice": advice_for(error) or None}) + "\n")
        return code_of(error)
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        names, group = "", error.ctx.command
        if isinstance(group, click.Group) and not isinstance(error, click.NoSuchOption):
            names = f"there are {', '.join(group.list_commands(error.ctx))}; "
        hint = f" ({names}see: {error.ctx.command_path} --help)"
    sys.stderr.write(f"octoffm: {line_of(error)}{hint}\n")
    if advice := advice_for(error):
        sys.stderr.write(f"  {advice}\n")
    if details := details_of(error):
        sys.stderr.write(f"  ({details})\n")
    return code_of(error)


def _silence_stdout() -> None:
    """Redirect standard output to nowhere: it cannot be written, and the final flush must not fail again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnsupportedOperation:
        pass  # an object in its place
