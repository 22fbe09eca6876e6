"""Traffic: hidden quotas found and held, priorities, many sellers, outages. The real pipeline on a clock that jumps.

Only the parts over HTTP take as long as they say; the others are simulated. One seed for every two rounds, three at
most; with fewer than three rounds only a part of it is run.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import TYPE_CHECKING, Protocol

from octoffm_async import Limit

from ..rounds import Column, Lines, Result, Table
from . import lanes, outage, outage_over_http, over_http, sellers
from .quota import CHANGES, PERIODS, PROCESSES, RATES, SETTLING, Case
from .quota import measure as measure_quota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .quota import Figures


class Options(Protocol):
    """The options of the harness that are read here."""

    @property
    def rounds(self) -> int:
        """The number of rounds; here, the number of seeds."""
        ...


def cases(*, short: bool) -> dict[str, list[Case]]:
    """Return the rows of the tables."""
    rates = RATES[:2] if short else RATES
    periods = PERIODS[:2] if short else PERIODS
    changes = CHANGES[:1] if short else CHANGES
    hidden = [Case(rate, period) for rate in rates for period in periods]
    changed = [Case(rate, period, then=then) for rate, then in changes for period in periods]
    odd = [Case(20, period, fixed=True) for period in periods]
    odd += [Case(20, 10.0, latency=(seconds, seconds)) for seconds in (0.005, 0.4)]
    odd += [Case(rate, 10.0, ceiling=Limit(100_000)) for rate in rates]
    return {
        "hidden": hidden,
        "changed": changed,
        "told": [case._replace(told=True) for case in hidden],
        "odd": odd,
        "fleet": [
            case._replace(processes=processes)
            for case in hidden
            for processes in (PROCESSES[-1:] if short else PROCESSES)
        ],
    }


TITLES = {
    "hidden": "A hidden quota, no Retry-After, no ceiling: at least 92 % used, at most 2 % refused",
    "changed": "The same, changed in mid-run",
    "told": "The same with a correct configured ceiling: at least 97 % used, none refused",
    "fleet": "The first, by several processes that share what they learn through a store",
    "odd": "For comparison: fixed windows, other latencies, a ceiling of 100,000 per second",
}


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    short = options.rounds < 3
    seeds = range(1, 1 + max(1, min(3, options.rounds // 2)))
    tables: list[Table] = []
    history: dict[str, list[tuple[float, float]]] = {}
    with ProcessPoolExecutor() as pool:
        for name, rows in cases(short=short).items():
            every = [row._replace(seed=seed) for row in rows for seed in seeds]
            measured = list(pool.map(measure_quota, every))
            tables.append(_quota_table(name, every, measured))
            if name == "changed":
                for row, figures in zip(every, measured, strict=True):
                    if _is_plotted(row):
                        history[row.name] = figures.history
                        history[f"quota of {row.rate}→{row.then}/s"] = _steps(row, figures.history[-1][0])
    tables += [_lanes_table(short=short), _sellers_table(short=short), _outage_table(short=short)]
    phases, real = asyncio.run(over_http.measure(settling=20.0 if short else 90.0, measured=10.0 if short else 60.0))
    tables.append(_http_table(phases))
    tables.append(_outage_http_table(10.0 if short else outage.OUTAGE))
    plots = [_lines("changes", "Accepted per second; the quota changes at 240 s", history)]
    plots.append(_lines("http", "Accepted per second over HTTP", {"accepted": real, "quota": _http_steps(real)}))
    return Result(part="traffic", tables=tables, lines=plots)


def _is_plotted(row: Case) -> bool:
    return row.seed == 1 and (row.rate, row.then) in {(5, 100), (100, 5)}


def _steps(row: Case, end: float) -> list[tuple[float, float]]:
    then = float(row.then or row.rate)
    return [(0.0, float(row.rate)), (SETTLING, float(row.rate)), (SETTLING, then), (end, then)]


def _http_steps(real: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    each = real[-1][0] / len(over_http.PHASES)
    return [
        (each * (number + side), calls / period)
        for number, (calls, period) in enumerate(over_http.PHASES)
        for side in (0, 1)
    ]


def _lines(name: str, title: str, series: dict[str, list[tuple[float, float]]]) -> Lines:
    return Lines(name=name, title=title, x_label="seconds", y_label="accepted requests per second", series=series)


def _table(name: str, title: str, columns: list[Column], figures: dict[str, dict[str, list[float]]]) -> Table:
    return Table(
        name=name,
        title=title,
        columns=columns,
        figures=figures,
        order=list(figures),
        lead=columns[0].key,
        sort=False,
        plot=False,
    )


def _quota_table(name: str, rows: Sequence[Case], measured: Sequence[Figures]) -> Table:
    figures: dict[str, dict[str, list[float]]] = {}
    for row in dict.fromkeys(row.name for row in rows):
        found = [figure for case, figure in zip(rows, measured, strict=True) if case.name == row]
        figures[row] = {
            "used": [100 * figure.used for figure in found],
            "least": [100 * min(figure.used for figure in found)],
            "refused": [100 * figure.refused for figure in found],
            "most": [100 * max(figure.refused for figure in found)],
            "converged": [figure.converged for figure in found if figure.converged is not None],
        }
    columns = [
        Column("used", "used %"),
        Column("least", "least"),
        Column("refused", "429s %", 2),
        Column("most", "most", 2),
        Column("converged", "converged s", 0),
    ]
    return _table(name, TITLES[name], columns, figures)


def _lanes_table(*, short: bool) -> Table:
    figures: dict[str, dict[str, list[float]]] = {}
    for rate in lanes.RATES[:2] if short else lanes.RATES:
        beside = lanes.measure(rate, calls=500 if short else lanes.CALLS)
        flood = lanes.measure_flood(rate, seconds=20.0)
        figures[f"{rate}/s"] = {
            "p50": [beside.p50],
            "p99": [beside.p99],
            "used": [100 * beside.used],
            "bulk": [100 * flood.bulk],
        }
    columns = [
        Column("p50", "p50 wait, intervals", 2),
        Column("p99", "p99 wait, intervals", 2),
        Column("used", "used %"),
        Column("bulk", "bulk's share % when interactive asks for all"),
    ]
    return _table("lanes", "Interactive calls, a tenth of the rate, beside a bulk run: p99 < 1.2", columns, figures)


def _sellers_table(*, short: bool) -> Table:
    many = 1000 if short else sellers.SELLERS
    memory, throttled = sellers.memory(many), sellers.throttled()
    spent = sellers.overhead(many, calls=200 if short else sellers.CALLS)
    one, all_of_them = (median(values) for values in spent.values())
    figures: dict[str, dict[str, list[float]]] = {
        "bytes per idle seller": {"figure": [memory.idle]},
        "bytes per seller ten minutes later": {"figure": [memory.forgotten]},
        "keys remembered ten minutes later": {"figure": [float(memory.keys_forgotten)]},
        "CPU µs a call, one seller (simulated wire)": {"figure": [one]},
        "CPU µs a call, all in turn": {"figure": [all_of_them]},
        "ratio within rounds": {"figure": [sellers.ratio(spent)]},
        "% of its limit that a seller gets alone": {"figure": [100 * throttled.alone]},
        "the same beside a throttled seller": {"figure": [100 * throttled.beside]},
    }
    return _table("sellers", f"{many:,} sellers on one client", [Column("figure", "", 2)], figures)


def _outage_table(*, short: bool) -> Table:
    figures: dict[str, dict[str, list[float]]] = {}
    for work in ("orders", "look-ups"):
        for way in outage.WAYS[:1] if short else outage.WAYS:
            case = outage.Outage(work, way)
            found = outage.measure(case)
            figures[case.name] = {
                "extra": [100 * found.extra],
                "tokens": [float(found.tokens)],
                "first": [100 * found.first],
                "peak": [100 * found.peak],
                "full": [] if found.full_after is None else [found.full_after],
                "done": [100 * found.done / found.items],
                "failed": [float(found.failed)],
                "unknown": [float(found.unknown)],
                "twice": [float(found.twice)],
            }
    columns = [
        Column("extra", "extra load %"),
        Column("tokens", "token calls", 0),
        Column("first", "first 10 s %", 0),
        Column("peak", "peak second %", 0),
        Column("full", "full after s", 0),
        Column("done", "done %"),
        Column("failed", "failed", 0),
        Column("unknown", "unknown", 0),
        Column("twice", "twice", 0),
    ]
    return _table(
        "outage", "Five minutes without an API in a bulk run at its limit, without a journal", columns, figures
    )


def _http_table(phases: Sequence[over_http.Phase]) -> Table:
    figures = {
        f"{number}. {phase.rate}/s": {"used": [100 * phase.used], "refused": [100 * phase.refused]}
        for number, phase in enumerate(phases, 1)
    }
    return _table("http", "Over real HTTP", [Column("used", "used %"), Column("refused", "429s %", 2)], figures)


def _outage_http_table(seconds: float) -> Table:
    found = asyncio.run(outage_over_http.measure(seconds))
    figures = {
        f"{found.created + found.other:,} orders": {
            "extra": [100 * found.extra],
            "created": [float(found.created)],
            "other": [float(found.other)],
            "existing": [float(found.existing)],
            "twice": [float(found.twice)],
            "seconds": [found.seconds],
        }
    }
    columns = [
        Column("extra", "extra load %"),
        Column("created", "created", 0),
        Column("other", "not created", 0),
        Column("existing", "exist", 0),
        Column("twice", "twice", 0),
        Column("seconds", "seconds", 0),
    ]
    title = f"{seconds:.0f} seconds of 503 in a bulk run over real HTTP, with a journal"
    return _table("outage-http", title, columns, figures)
