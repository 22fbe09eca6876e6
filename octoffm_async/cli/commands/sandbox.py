"""``octoffm sandbox``: serve the emulator in the foreground."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

import click

from ...sandbox import Sandbox, StateFileError
from ...sandbox.__main__ import parse_sellers
from ...sandbox.control.verbs import help_lines
from ...sandbox.sandbox import SELLERS
from ...sandbox.spelling.styles import parse_styles, style_table
from ..options import note, rate_option
from ..runtime import run_async

if TYPE_CHECKING:
    from ...sandbox.settings import StyleOptions


def _sellers(context: click.Context, option: click.Parameter, given: str) -> tuple[str, ...]:
    try:
        return parse_sellers(given)
    except ArgumentTypeError as error:
        raise click.BadParameter(str(error), context, option) from None


def _style(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> StyleOptions:
    try:
        return parse_styles(given)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from None


@click.command(epilog=f"\b\nStyles, the usual form first:\n{style_table()}\n\n" + "\n".join(["\b", *help_lines()]))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of ids, tokens and random faults.")
@click.option(
    "--token-life",
    type=click.FloatRange(0, min_open=True),
    default=7200.0,
    show_default=True,
    metavar="S",
    help="Seconds for which a token is valid.",
)
@rate_option("N requests in T seconds, for each seller and group.", into="limit")
@click.option("--retry-after", type=click.Choice(["seconds", "date"]), help="Send Retry-After with 429 answers.")
@click.option(
    "--speed",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Sandbox seconds per real second.",
)
@click.option(
    "--sellers",
    callback=_sellers,
    default=",".join(SELLERS),
    show_default=True,
    metavar="ID,ID",
    help="Sellers; the first is the one to export.",
)
@click.option(
    "--style",
    callback=_style,
    multiple=True,
    metavar="NAME=VALUE",
    help="A form of answers, as listed below; repeatable.",
)
@click.option(
    "--contract",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Use the names of this contract file, to rehearse another API.",
)
@click.option("--products", type=click.IntRange(0), default=0, metavar="N", help="Products registered at the start.")
@click.option(
    "--stock", type=click.IntRange(0), default=100, show_default=True, metavar="Q", help="Stock of each product."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Load the emulator's state from this file if it exists, and save it at the end.",
)
def sandbox(products: int, state: str | None, style: StyleOptions, **settings: Any) -> None:
    """Serve an emulator of the API on this machine until Ctrl-C.

    Prints the variables to export, and nothing else, on standard output; no account is needed. At the same address, a
    browser shows what happens, and has controls: put stock, receive, advance the clock, inject faults, limit.

    \b
    octoffm sandbox --products 50 > sandbox.env      # in one terminal
    octoffm stocks list --env-file sandbox.env       # in another
    octoffm sandbox --style names=pascal --style numbers=text
    """
    try:
        served = Sandbox(catalogue=products, state_file=state, **style, **settings)
    except ValueError as error:  # a contract file, or a style that it excludes
        raise click.UsageError(str(error)) from None
    try:
        run_async(_serve(served))
    except StateFileError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot serve on port {settings['port']}: {error.strerror}") from None
    except KeyboardInterrupt:
        pass  # where signals have no handlers, Ctrl-C raises here; it is the regular end of the command


async def _serve(emulator: Sandbox) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            break
    async with emulator:
        for name, value in emulator.environment().items():
            click.echo(f"export {name}={value}")
        note(f"the sandbox serves at {emulator.base_url} until Ctrl-C")
        note(f"watch it in a browser at {emulator.page_url}")
        await stop.wait()
    note("the sandbox has stopped")
