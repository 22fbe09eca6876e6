"""``octoffm contract probe``: first contact with the real API, reading only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...probe.calls import CALLS, TOKEN_SHOWN, WRONG_SECRET_SHOWN
from ...probe.evaluation.proofs import UnreadableProofsError
from ...probe.folder import CONTRACT, DRIFT, PROOFS, REPORT, SHAPES, ProbeFolder
from ...probe.report import filter_findings
from ...probe.running import REFUSED, Prober
from ...probe.sending import APART
from ..advice import ADVICE
from ..errors import ExitCode
from ..options import env_file_option, note
from ..output import print_facts, print_json_line
from ..runtime import run_async
from ..settings.reading import read_config

if TYPE_CHECKING:
    from ...config import Config
    from ...probe.records import Probe
    from ...probe.report import Results


@click.command(
    short_help="Probe the real API in thirteen steps, reading only.",
    help=f"""Probe the real API in thirteen steps, reading only, for facts that its documentation leaves open.

    It makes the token request and GET calls, one at a time, at least {APART:g} s apart, retries none and stops at the
    first 429. It keeps shapes (statuses, names of headers and fields, JSON types, enum values, lengths), never values
    of names, addresses, references, ids or tokens. Into a folder it writes {REPORT}, which can be shown to others,
    {SHAPES}, {DRIFT} (where the API differs from what this version expects), {CONTRACT} (corrects what can be
    corrected: compare it, then use it as a contract file) and {PROOFS} (what this account has proven).

    It asks and compares in this version's own spelling: a contract file that is set (OCTOFFM_CONTRACT) is not used.

    Exits with 0 when all calls were made, 1 if it stopped early or rights are missing, 2 if the credentials were
    refused or a setting is wrong. What was learned so far is always written.
    """,
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("octoffm-probe"),
    show_default=True,
    metavar="DIR",
    help="The folder to write to.",
)
@click.option("--dry-run", is_flag=True, help="Show the calls; send and write nothing.")
@click.option("--wrong-secret", is_flag=True, help="Ask for a second token with a wrong secret, to see the refusal.")
@click.option("--seller", metavar="ID", help="The seller to act for, in place of OCTOFFM_SELLER_ID.")
@env_file_option
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds that one call may take (60)."
)
@click.option("--proxies", is_flag=True, help="Use the proxies that HTTPS_PROXY and the like name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def probe(
    *,
    out: Path,
    dry_run: bool,
    wrong_secret: bool,
    seller: str | None,
    env_file: Path | None,
    timeout: float | None,
    proxies: bool,
    as_json: bool,
) -> int:
    if dry_run:
        return _show_calls(wrong_secret=wrong_secret, as_json=as_json)
    config = read_config(env_file, seller_id=seller, deadline=timeout, trust_env=proxies or None)
    try:
        folder = ProbeFolder(out, config)
        results = _run(config, folder, wrong_secret=wrong_secret)
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror or type(error).__name__}") from None
    except UnreadableProofsError as error:
        raise click.ClickException(f"cannot read {out / PROOFS}: {error}; move it away") from None
    if as_json:
        print_json_line(_summary(results, out))
    else:
        _print_results(results, out)
    for hint in _hints(results.probe):
        note(f"{hint}")
    if results.probe.ended == REFUSED:
        return ExitCode.USAGE
    return ExitCode.DONE if results.probe.done and not results.probe.forbidden else ExitCode.REFUSED


def _run(config: Config, folder: ProbeFolder, *, wrong_secret: bool) -> Results:
    """Run the probe. The files exist before the first call, so that no call is made in vain."""
    printed = 0

    def keep(so_far: Probe) -> Results:
        return folder.write(so_far, stocks_seen=prober.known.stocks_seen, secrets=prober.secrets)

    def print_calls(so_far: Probe) -> None:
        nonlocal printed
        keep(so_far)
        for one in so_far.calls[printed:]:
            note(f"step {one.step:2}  {one.call}  {one.came}")
        printed = len(so_far.calls)

    prober = Prober(config, wrong_secret=wrong_secret, on_progress=print_calls)
    keep(prober.probe)
    return keep(run_async(prober.run()))


def _show_calls(*, wrong_secret: bool, as_json: bool) -> int:
    calls = [(1, TOKEN_SHOWN, "the token's life")]
    if wrong_secret:
        calls.append((1, WRONG_SECRET_SHOWN, "the body of a refusal"))
    calls += [(call.step, call.shown, call.settles) for call in CALLS]
    if as_json:
        print_json_line({"calls": [{"step": step, "call": call, "settles": settles} for step, call, settles in calls]})
        return ExitCode.DONE
    click.echo("octoffm: nothing was sent; these would be the calls:", err=True)
    for step, call, settles in calls:
        click.echo(f"{step:2}  {call}  ({settles})")
    return ExitCode.DONE


def _hints(probe: Probe) -> list[str]:
    """Return the advice about how the probe ended, from the table that other commands use."""
    signs = {
        "wrong secret": probe.ended == REFUSED,
        "token refused": "(401)" in probe.ended,
        "too many calls": "(429)" in probe.ended,
        "certificate": "no TLS connection" in probe.ended,
        "no connection": "no connection" in probe.ended,
        "too slow": "no answer in time" in probe.ended,
        "proxy in between": any(one.body == "html" and one.operation for one in probe.calls),
        "seller not linked": bool(probe.forbidden),
    }
    return [one.text for one in ADVICE if signs.get(one.name)]


def _summary(results: Results, out: Path) -> dict[str, Any]:
    probe = results.probe
    return {
        "done": probe.done,
        "ended": probe.ended,
        "answered": len(probe.answered),
        "skipped": sum(one.outcome == "skipped" for one in probe.calls),
        "unanswered": sum(one.outcome == "no answer" for one in probe.calls),
        "forbidden": [one.call for one in probe.forbidden],
        "drift": len(results.drift),
        "mended": results.corrections.count,
        "proofs": {
            "stocks_filter": results.proof.stocks_filter,
            "orders_lookup": results.proof.orders_lookup,
        },
        "filters": filter_findings(probe),
        "facts": probe.facts,
        "folder": str(out),
    }


def _print_results(results: Results, out: Path) -> None:
    probe, proof = results.probe, results.proof
    open_ = sum(not one.cure for one in results.drift)
    print_facts(
        {
            "end": probe.ended,
            "answered": f"{len(probe.answered)} of {len(probe.calls)} calls",
            "no rights": ", ".join(one.call for one in probe.forbidden),
            "drift": f"{len(results.drift)} found, {open_} of them left to you",
            "contract file": f"{results.corrections.count} entries",
            "stocks filter": f"{proof.stocks_filter.verdict}: {proof.stocks_filter.why}",
            "order look-up": f"{proof.orders_lookup.verdict}: {proof.orders_lookup.why}",
            "show to others": str(out / REPORT),
        }
    )
    sys.stdout.flush()
