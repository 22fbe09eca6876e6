"""``octoffm request``: any call of the API, also one that the package does not model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ...text import decode_text
from ..documents import STDOUT, atomic_replace, output_option
from ..errors import ExitCode
from ..options import parse_pairs
from ..output import bytes_output, print_json_line, print_json_text
from ..remote import remote_command

if TYPE_CHECKING:
    from ...transport.response import Response
    from ..remote import Remote

_OWN_COMMANDS = {
    "fulfillment-products": "products create",
    "inbound-shipments": "inbound create",
    "outbound-shipments": "orders create",
    "outbound-cancellation-requests": "orders cancel",
    "returns": "returns create",
}


def _body(context: click.Context, option: click.Parameter, given: str | None) -> Any:
    """Return the JSON that is given, or that stands in a file (``@FILE``, or ``@-``)."""
    if given is None:
        return None
    try:
        if given.startswith("@"):
            name = given[1:]
            given = decode_text(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
        return msgspec.Raw(msgspec.json.encode(msgspec.json.decode(given)))
    except OSError as error:
        raise click.BadParameter(f"cannot read {given[1:]}: {error.strerror}", context, option) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise click.BadParameter(f"it is not JSON: {error}", context, option) from None


@click.command(short_help="Make any call, such as request GET /stocks.")
@click.argument("method", type=click.Choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], case_sensitive=False))
@click.argument("path")
@click.option("--query", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="A parameter; repeatable.")
@click.option("--header", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="A header; repeatable.")
@click.option("--data", callback=_body, metavar="JSON|@FILE", help="The body; @- is standard input.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@output_option("File for the body, as it came; by default standard output (-).")
@remote_command
async def request(
    remote: Remote,
    *,
    method: str,
    path: str,
    query: dict[str, str],
    header: dict[str, str],
    data: Any,
    yes: bool,
    output: Path | None,
) -> int:
    """Make a call with the token, limits, retries and errors of all others, and print the body of its answer.

    PATH is under the API's address: /stocks. With --json, the status and the headers are printed too.

    GET and HEAD are repeated after failures. The others change something: the command asks first, and sends them once.
    It keeps no journal; orders belong to "octoffm orders create", which never sends one twice.

    \b
    octoffm request GET /stocks --query limit=5
    octoffm request POST /some-new-thing --data @body.json
    """
    if method not in ("GET", "HEAD") and not yes and not _is_sure(method, path):
        return ExitCode.REFUSED
    answer = await remote.client.request(method, path, json=data, params=query or None, headers=header or None)
    if output is not None and output != STDOUT:
        with atomic_replace(output, private=True) as file:
            file.write(answer.body)
    elif remote.as_json:
        print_json_line({"status": answer.status, "headers": dict(answer.headers), "body": _decoded(answer)})
    else:
        _print_body(answer)
    return ExitCode.DONE


def _is_sure(method: str, path: str) -> bool:
    own = _OWN_COMMANDS.get(path.strip("/").partition("/")[0].partition("?")[0])
    advice = f"; octoffm {own} checks it and never does it twice" if own and method == "POST" else ""
    if not sys.stdin.isatty():
        text = f"{method} changes something, and there is no terminal to ask: say --yes{advice}"
        raise click.UsageError(text, click.get_current_context())
    click.echo(f"{method} {path} is sent once, and changes something{advice}.", err=True)
    return click.confirm("Send it?", err=True)


def _decoded(answer: Response) -> Any:
    """Return the body as JSON, else as text."""
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return answer.body.decode("utf-8", "backslashreplace")


def _print_body(answer: Response) -> None:
    """Print JSON, of which a terminal obeys nothing; other bodies as they came, but on a terminal as text."""
    if not answer.body:
        return
    try:
        msgspec.json.decode(answer.body, type=msgspec.Raw)
        print_json_text(answer.body.decode().rstrip("\n"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        if sys.stdout.isatty():
            click.echo(answer.body.decode("utf-8", "backslashreplace"))
        else:
            with bytes_output() as stream:
                stream.write(answer.body)
