"""The top group of commands: global options, and the one place that turns errors into exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import click

from ..version import __version__
from . import auth, files, inbound, orders, products, returns, stocks
from .advice import advice_for
from .cluster import cluster
from .contract import contract
from .contract_drift import drift
from .demo import demo
from .exits import EXPECTED, Exit, code_of, details_of, line_of
from .jobs import jobs
from .options import verbose_option
from .sandbox import sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(__version__, prog_name="octoffm")
@verbose_option
@click.pass_context
def octoffm(context: click.Context) -> None:
    """Call Octopia's fulfillment API from the command line.

    Credentials come from OCTOFFM_CLIENT_ID, OCTOFFM_CLIENT_SECRET and OCTOFFM_SELLER_ID, or from --env-file; without
    an account, "octoffm sandbox" serves an emulator and prints variables for it.

    Exit codes: 0 all done, 1 some refused or failed, 2 usage or configuration, 3 some undecided, 130 interrupted.

    \b
    Tab completion, in bash (or zsh_source, fish_source):
      eval "$(_OCTOFFM_COMPLETE=bash_source octoffm)"
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for module in (auth, products, inbound, stocks, orders, returns):
    octoffm.add_command(module.group)
files.register()
octoffm.add_command(cluster)
contract.add_command(drift)
octoffm.add_command(contract)
octoffm.add_command(demo)
octoffm.add_command(jobs)
octoffm.add_command(sandbox)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    verbose = not {"-v", "--verbose"}.isdisjoint(sys.argv if arguments is None else arguments)
    try:
        result: Any = octoffm.main(arguments, prog_name="octoffm", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return Exit.REFUSED
    except (KeyboardInterrupt, click.Abort) as error:
        sys.stderr.write("octoffm: interrupted\n")
        return code_of(error)
    except click.ClickException as error:
        return _told(error)
    except EXPECTED as error:
        if verbose:
            traceback.print_exc()
        return _told(error)
    return int(result or Exit.DONE)


def _told(error: Exception) -> int:
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f" (see: {error.ctx.command_path} --help)"
    sys.stderr.write(f"octoffm: {line_of(error)}{hint}\n")
    if advice := advice_for(error):
        sys.stderr.write(f"  {advice}\n")
    if details := details_of(error):
        sys.stderr.write(f"  ({details})\n")
    return code_of(error)


def _silence_stdout() -> None:
    """Redirect standard output to nowhere: its reader has closed the pipe, and the final flush must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
