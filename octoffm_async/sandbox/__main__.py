"""``python -m octoffm_async.sandbox``: the sandbox as a server process of its own.

The first line on standard output is one JSON object with the addresses and credentials; the process prints nothing
after it. It serves until SIGTERM or SIGINT or, with ``--exit-with-parent``, until its standard input ends: a pipe ends
even when the parent is killed without any cleanup.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial

import msgspec

from octoffm_async.contract.contract_file.problems import ContractFileError

from .control.verbs import help_lines
from .sandbox import SELLERS, Sandbox
from .settings import StyleOptions
from .spelling.styles import parse_styles, style_table
from .world.state_file import StateFileError


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal or the end of standard input stops the process."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        style = parse_styles(options.style)
    except ValueError as error:
        parser.error(f"argument --style: {error}")
    try:
        asyncio.run(_serve(_sandbox(options, style), exit_with_parent=options.exit_with_parent))
    except (StateFileError, ContractFileError) as error:
        sys.exit(f"octoffm sandbox: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m octoffm_async.sandbox",
        description="Emulate the fulfillment API.",
        epilog="\n".join(["Styles, the default form first:", style_table(), "", *help_lines()]).replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 chooses a free port")
    parser.add_argument("--seed", type=int, default=0, help="seed of ids, tokens and random faults")
    parser.add_argument("--token-life", type=float, default=7200.0, metavar="S", help="life of a token in seconds")
    parser.add_argument(
        "--sellers", type=parse_sellers, default=SELLERS, metavar="ID,ID", help="ids of the sellers (12345,98980)"
    )
    parser.add_argument(
        "--rate",
        "--limit",
        dest="limit",
        type=parse_limit,
        metavar="N/T",
        help="N requests per T seconds, seller and group",
    )
    parser.add_argument("--retry-after", choices=("seconds", "date"), help="send Retry-After in 429 responses")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="sandbox seconds per real second")
    parser.add_argument("--state", metavar="FILE", help="load the state from this file, and save it at the end")
    parser.add_argument("--products", type=int, default=0, metavar="N", help="number of initial products")
    parser.add_argument("--stock", type=int, default=100, metavar="Q", help="items of each of these products")
    parser.add_argument(
        "--style", action="append", default=[], metavar="NAME=VALUE", help="a form of responses; see below"
    )
    parser.add_argument("--contract", metavar="FILE", help="use the names of this contract file")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser


def parse_limit(text: str) -> tuple[int, float]:
    """Parse ``100/1`` as 100 requests per 1 second."""
    requests, _, seconds = text.partition("/")
    try:
        limit = int(requests), float(seconds)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not N/T, such as 100/1") from error
    if limit[0] < 1 or limit[1] <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: both numbers must be above zero")
    return limit


def parse_sellers(text: str) -> tuple[str, ...]:
    """Parse ``1,2`` as two sellers."""
    if sellers := tuple(part for part in map(str.strip, text.split(",")) if part):
        return sellers
    raise argparse.ArgumentTypeError(f"{text!r} is not ID,ID")


def _sandbox(options: argparse.Namespace, style: StyleOptions) -> Sandbox:
    return Sandbox(
        seed=options.seed,
        sellers=options.sellers,
        token_life=options.token_life,
        limit=options.limit,
        retry_after=options.retry_after,
        speed=options.speed,
        port=options.port,
        state_file=options.state,
        catalogue=options.products,
        stock=options.stock,
        contract=options.contract,
        **style,
    )


async def _serve(sandbox: Sandbox, *, exit_with_parent: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: its loops have no signal handlers
            signal.signal(number, partial(_stop_from_signal, loop, stop))
    async with sandbox:
        sys.stdout.write(_greeting(sandbox) + "\n")
        sys.stdout.flush()
        if exit_with_parent:
            threading.Thread(target=_wait_for_end_of_input, args=(loop, stop), daemon=True).start()
        await stop.wait()


def _stop_from_signal(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, *_: object) -> None:
    loop.call_soon_threadsafe(stop.set)


def _greeting(sandbox: Sandbox) -> str:
    addresses = {
        "base_url": sandbox.base_url,
        "token_url": sandbox.token_url,
        "control_url": sandbox.control_url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "seller_id": sandbox.seller_id,
    }
    return msgspec.json.encode(addresses).decode()


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # os.read and not sys.stdin: a daemon thread that holds the lock of a buffered stream crashes the exit.
    while os.read(0, 4096):
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:  # the loop was closed in the meantime: already stopped
        pass


if __name__ == "__main__":
    main()
