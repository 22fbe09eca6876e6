"""``--report``: the results of a run, as one HTML page that needs nothing else: no network, no script."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ...disk.private_file import write_file
from ...text import UnwritableOutputError, printable
from ..output import span
from .recording import bucket_end
from .report_charts import bars, curve, duration
from .tally import TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .recording import RejectedExample, RunStats
    from .tally import FileCounts

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6470;--line:#d8dde3;--back:#fff;--card:#f5f7f9;--good:#1a7f4b;
--bad:#b42318;--warn:#9a6700;--blue:#2563c9}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa4b1;--line:#333b45;--back:#14181d;--card:#1d232a;
--good:#4cc38a;--bad:#ff8a7a;--warn:#e3b341;--blue:#7aa7ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--back)}
h1{font-size:1.4rem;line-height:1.25;margin:.4rem 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}.dim{color:var(--dim)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem;margin:1rem 0}
.card{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}
.card b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums;line-height:1.2}
.good b{color:var(--good)}.bad b{color:var(--bad)}.warn b{color:var(--warn)}
figure{margin:.5rem 0;background:var(--card);border-radius:.5rem;padding:.5rem .8rem}
.chart{display:grid;grid-template-columns:auto 1fr;gap:.2rem .4rem;padding:.6rem 1.6rem 0 0}
svg{display:block;width:100%;height:9rem}figcaption,.x,.y{color:var(--dim);font-size:.85rem}
.x,.y{position:relative}.x{grid-column:2;height:1.5rem}.y{min-width:4rem}
.x span,.y span{position:absolute;white-space:nowrap}.x span{transform:translateX(-50%)}
.y span{right:0;transform:translateY(50%)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line)}
td{overflow-wrap:anywhere}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
details{border-bottom:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer;overflow-wrap:anywhere}
ul{margin:.4rem 0;padding-left:1.2rem}li{overflow-wrap:anywhere}code{font-size:.92em;overflow-wrap:anywhere}
"""
_TONES = {"created": "good", "already": "good", "found": "good", "failed": "bad", "unknown": "bad"}
"""The colours of counts; all other counts have the colour of warnings."""


def write_report(path: Path, page: str) -> None:
    """Write the page for its owner alone, replacing an older one: it has references and texts of orders.

    Raises:
        UnwritableOutputError: The file cannot be written.
    """
    try:
        write_file(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UnwritableOutputError(f"cannot write {path}: {error.strerror}") from None


def report_page(what: str, file: str, tally: FileCounts, facts: Mapping[str, Any], recording: RunStats) -> str:
    """Return the page's text."""
    title = f"{what.capitalize()} from {_text(file)}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f'<p class="dim">{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, after {_length(recording.seconds)}</p>',
        _cards(tally),
        "<h2>Rate over time</h2>",
        curve(recording.decided.counts, recording.decided.width, recording.seconds, "items"),
        _latency(recording),
        _throttling(recording),
        _refusals(recording),
        _undecided(recording),
        _facts(facts),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _cards(tally: FileCounts) -> str:
    cards = [
        f'<div class="card {_TONES.get(name, "warn")}"><b>{count:,}</b>{_text(TITLES.get(name, name))}</div>'
        for name, count in tally.counts.items()
        if count
    ]
    return f'<div class="cards">{"".join(cards) or "<p>There was nothing to do.</p>"}</div>'


def _latency(recording: RunStats) -> str:
    total = sum(recording.buckets)
    if not total:
        return "<h2>Latency</h2><p>No call was made.</p>"
    rows = "".join(
        f'<tr><td>{name}</td><td class="n">{duration(recording.latency_quantile(share))}</td></tr>'
        for name, share in (("half within", 0.5), ("90 % within", 0.9), ("99 % within", 0.99))
    )
    slowest = f'<tr><td>slowest</td><td class="n">{duration(recording.slowest)}</td></tr>'
    used = [place for place, count in enumerate(recording.buckets) if count]
    shown = range(used[0], used[-1] + 1)
    chart = bars(
        [(bucket_end(place), recording.buckets[place]) for place in shown],
        "requests by duration, each label at the end of its bar",
    )
    return f"<h2>Latency of {total:,} requests</h2>{chart}<table>{rows}{slowest}</table>"


def _throttling(recording: RunStats) -> str:
    answered = recording.statuses.get(429, 0)
    rows = "".join(
        f'<tr><td>{"no answer" if status == 0 else status}</td><td class="n">{count:,}</td></tr>'
        for status, count in sorted(recording.statuses.items())
    )
    table = f'<table><tr><th>answer</th><th class="n">requests</th></tr>{rows}</table>' if rows else ""
    chart = (
        curve(recording.throttled.counts, recording.throttled.width, recording.seconds, "answers 429")
        if answered
        else ""
    )
    paragraph = "<p>No request was sent again.</p>" if not recording.retries else ""
    if answered or recording.pauses:
        paragraph = (
            f"<p>{answered:,} answers were 429 (too many requests); {recording.pauses:,} pauses of "
            f"{recording.paused:,.1f} s together; {recording.retries:,} retries of any kind.</p>"
        )
    elif recording.retries:
        paragraph = f"<p>{recording.retries:,} retries; none because of a limit.</p>"
    return f"<h2>Throttling and retries</h2>{paragraph}{chart}{table}"


def _refusals(recording: RunStats) -> str:
    if not recording.codes:
        return "<h2>Refusals</h2><p>None.</p>"
    parts = ["<h2>Refusals, failures and faulty rows</h2>"]
    for (kind, code), count in sorted(recording.codes.items(), key=lambda one: -one[1]):
        name = f"{kind}: <code>{_text(code)}</code>" if code else kind
        parts.append(f"<details open><summary><b>{count:,}</b> {name}</summary>")
        parts.append(f"{_examples(recording.examples[kind, code])}</details>")
    return "".join(parts)


def _undecided(recording: RunStats) -> str:
    if not recording.undecided_count:
        return "<h2>Undecided</h2><p>None: the outcome of every item is known.</p>"
    more = recording.undecided_count - len(recording.undecided)
    rest = f"<p>… and {more:,} more: see the journal.</p>" if more else ""
    advice = "<p>These may exist or not. Running the same command again looks them up first.</p>"
    return f"<h2>Undecided: {recording.undecided_count:,}</h2>{advice}{_examples(recording.undecided)}{rest}"


def _examples(examples: Iterable[RejectedExample]) -> str:
    items = [
        f"<li><code>{_text(one.key) or 'no reference'}</code>"
        f'<span class="dim">{"" if one.line is None else f", line {one.line}"}</span>: {_text(one.message[:500])}</li>'
        for one in examples
    ]
    return f"<ul>{''.join(items)}</ul>"


def _facts(facts: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{_text(name)}</td><td>{_text(f'{fact:,}' if isinstance(fact, int) else fact)}</td></tr>"
        for name, fact in facts.items()
        if fact is not None
    ]
    return f"<h2>The run</h2><table>{''.join(rows)}</table>"
