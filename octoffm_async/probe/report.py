"""The report of a probe, which can be shown to others: calls, answers and conclusions, without values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .calls import STEPS
from .shapes import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evaluation.corrections import Corrections
    from .evaluation.drift import ProbeDrift
    from .evaluation.proofs import Finding, Proof
    from .records import CallRecord, Probe

DRIFT_MOST = 400
PLACES_MOST = 150

_TITLES = (
    "Token",
    "Sellers and rights",
    "Stocks: bounds of limit",
    "Stocks: pages",
    "Stocks: the filter by reference",
    "Stocks: filters",
    "Stocks: one",
    "References",
    "Supply orders",
    "Orders",
    "Cancellations",
    "Returns",
    "Routes that do not exist",
)
_FILTERS = (
    ("references.by_reference", "sellerProductReference of /stock-seller-references"),
    ("references.by_gtin", "gtin of /stock-seller-references"),
    ("references.by_product", "productId of /stock-seller-references"),
)
_NONSENSE = (
    ("stocks.sort", "sort of /stocks"),
    ("inbound.nonsense", "status of /inbound-shipments"),
    ("outbound.nonsense", "state of /outbound-shipments"),
    ("returns.nonsense", "type of /returns"),
)


class Results(NamedTuple):
    """The results of a probe."""

    probe: Probe
    drift: Sequence[ProbeDrift]
    corrections: Corrections
    proof: Proof


def filter_findings(probe: Probe) -> dict[str, str]:
    """Return a finding for each filter that the probe called with an impossible value or an invalid word."""
    found: dict[str, str] = {}
    unfiltered = probe.named("references")
    for name, what in _FILTERS:
        one = probe.named(name)
        if one is None or one.status is None:
            continue
        if not one.good:
            found[what] = f"refused ({one.status})"
        elif one.rows:
            found[what] = "ignored: an impossible value gave rows"
        else:
            works = unfiltered is not None and bool(unfiltered.rows)
            found[what] = "works: an impossible value gave no row" if works else "undecided: there is no row without it"
    for name, what in _NONSENSE:
        one = probe.named(name)
        if one is not None and one.status is not None:
            listed = f"; it lists {', '.join(one.listed_values)}" if one.listed_values else ""
            taken = "an invalid word gives rows" if one.rows else "an invalid word gives no row"
            found[what] = taken if one.good else f"an invalid word is refused ({one.status}){listed}"
    return found


def report_text(results: Results) -> str:
    """Return the report as Markdown."""
    return "\n".join(_report(results)) + "\n"


def _report(results: Results) -> Iterator[str]:
    probe = results.probe
    yield "# First contact with the API"
    yield ""
    yield (
        f"Made by `octoffm contract probe` {probe.version}, started {probe.started}. It only read. This file holds "
        "shapes (statuses, names, types, enum values, lengths), no values of the account."
    )
    yield ""
    yield f"- End: {probe.ended or 'still under way'}."
    left = len(probe.calls) - len(probe.answered)
    yield f"- Calls: {len(probe.answered)} answered, {left} skipped or without an answer."
    yield f"- Rights missing (403): {_listed([one.call for one in probe.forbidden])}."
    if seconds := probe.facts.get("token_seconds"):
        yield f"- The token lives: {seconds} s."
    yield f"- Rate headers: {_listed(sorted({name for one in probe.calls for name in one.rate_headers}))}."
    yield from (f"- 429 at `{one.call}`: {_throttled(one)}." for one in probe.calls if one.status == 429)
    yield ""
    yield "## Proofs"
    yield ""
    yield f"- `sellerProductReference` of `/stocks`: {_finding(results.proof.stocks_filter)}."
    yield f"- Look-up of orders by reference: {_finding(results.proof.orders_lookup)}."
    if filters := filter_findings(probe):
        yield ""
        yield "## Filters"
        yield ""
        yield from (f"- {what}: {came}." for what, came in filters.items())
    yield ""
    yield from _drift(results)
    for step in range(1, STEPS + 1):
        yield from _step(step, [one for one in probe.calls if one.step == step])


def _drift(results: Results) -> Iterator[str]:
    yield "## Drift: differences from the contract"
    yield ""
    yield f"Differences: {len(results.drift)}. Entries of the contract file: {results.corrections.count}."
    if not results.drift:
        return
    yield ""
    yield "| operation | path | in JSON | kind | expected | found | tag | handled by |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for one in results.drift[:DRIFT_MOST]:
        cells = (one.operation, f"`{one.path}`", one.spelled, one.kind, one.expected, one.found, one.tag, one.cure)
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    if len(results.drift) > DRIFT_MOST:
        yield ""
        yield f"And {len(results.drift) - DRIFT_MOST} more (drift.json)."


def _step(step: int, calls: Sequence[CallRecord]) -> Iterator[str]:
    yield ""
    yield f"## Step {step}: {_TITLES[step - 1]}"
    if not calls:
        yield ""
        yield "Not reached."
    for one in calls:
        yield ""
        yield f"### `{one.call}`"
        yield ""
        yield f"Settles {one.settles}. {_sentence(one)}"
        if one.shape is None:
            continue
        yield ""
        yield "```"
        places = list(walk(one.shape))
        for path, shape in places[:PLACES_MOST]:
            length = "" if shape.most is None else f" [{_span(shape.least, shape.most)}]"
            forms = [form for form in shape.forms if form != "text"]
            forms_text = f" ({', '.join(forms)})" if forms else ""
            values = f" = {', '.join(shape.values)}" if shape.values else ""
            yield f"{path or '(body)'}: {'/'.join(shape.types)}{length}{forms_text}{values}, {shape.seen}x"
        if len(places) > PLACES_MOST:
            yield f"and {len(places) - PLACES_MOST} more (shapes.json)"
        yield "```"


def _sentence(one: CallRecord) -> str:
    if one.outcome != "answered":
        return f"{one.outcome.capitalize()}: {one.why}."
    parts = [f"Answer {one.status}, {one.body}{f' ({one.media_type})' if one.media_type else ''}"]
    if one.rows is not None:
        parts.append(f"{one.rows} rows")
    if one.link:
        parts.append(f"link {one.link} ({', '.join(one.relations) or 'no relation'})")
    if one.retry_after:
        parts.append(f"Retry-After as {one.retry_after}")
    if one.allow:
        parts.append(f"Allow {', '.join(one.allow)}")
    if one.listed_values:
        parts.append(f"it lists {', '.join(one.listed_values)}")
    headers = f" Headers: {', '.join(one.headers)}." if one.headers else ""
    return f"{'; '.join([*parts, *one.notes])}.{headers}"


def _throttled(one: CallRecord) -> str:
    form = f"Retry-After as {one.retry_after}" if one.retry_after else "no Retry-After"
    return f"{form}; headers {_listed(one.headers)}"


def _finding(finding: Finding) -> str:
    return f"{finding.verdict} ({finding.why})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _span(least: int | None, most: int) -> str:
    return str(most) if least in (None, most) else f"{least} to {most}"
