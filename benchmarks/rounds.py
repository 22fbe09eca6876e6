"""Interleaved rounds, each in an order of its own (A B C, C A B, …), and their results: medians, quartiles, ratios."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Case(NamedTuple):
    """One of the compared cases; ``measure`` gives its figures of one round."""

    name: str
    measure: Callable[[], Mapping[str, float]]


class Column(msgspec.Struct, frozen=True):
    """A figure of the table: its key among the figures, its heading with unit, and its decimals.

    With ``against`` a column holds ratios to that subject, taken round by round.
    """

    key: str
    heading: str
    decimals: int = 1
    against: str | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of several subjects: for each subject and key the figures of all rounds."""

    name: str
    title: str
    columns: list[Column]
    figures: dict[str, dict[str, list[float]]]
    lead: str
    """The key of the figure that is sorted by and plotted."""
    order: list[str]
    """The subjects in the order in which they were measured."""
    highlight: list[str] = []
    """Subjects that a plot highlights: ours."""
    sort: bool = True
    plot: bool = True

    def median(self, subject: str, key: str) -> float | None:
        """Return the median over the rounds."""
        values = self.figures[subject].get(key)
        return statistics.median(values) if values else None

    def rounds(self, subject: str, column: Column) -> list[float]:
        """Return the values of a cell of the table in each round: figures, or ratios within the round."""
        mine = self.figures[subject].get(column.key, [])
        if column.against is None:
            return mine
        theirs = self.figures.get(column.against, {}).get(column.key, [])
        return [a / b if b else float("nan") for a, b in zip(mine, theirs, strict=True)] if theirs else []

    def subjects(self) -> list[str]:
        """Return the subjects from the smallest to the largest, or as they were measured."""
        if not self.sort:
            return list(self.figures)
        return sorted(self.figures, key=lambda subject: self.median(subject, self.lead) or 0.0)

    def cell(self, subject: str, column: Column) -> float | None:
        """Return the value of a cell of the table: the median over the rounds."""
        values = self.rounds(subject, column)
        return statistics.median(values) if values else None

    def quartiles(self, subject: str, column: Column) -> tuple[float, float] | None:
        """Return the quartiles of a cell of the table; of less than four rounds the least and the most."""
        values = self.rounds(subject, column)
        if len(values) < 2 or column.key != self.lead:
            return None
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return (low, high) if len(values) > 3 else (min(values), max(values))

    def baseline(self) -> str | None:
        """Return the subject that the others are compared with."""
        return next((column.against for column in self.columns if column.against), None)

    def heading(self) -> str:
        """Return the heading of the plotted figure."""
        return next(c.heading for c in self.columns if c.key == self.lead and c.against is None)


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """A plot of lines: for each series its points."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    log_x: bool = False
    log_y: bool = False


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a part: tables, plots of lines, and notes for the reader."""

    part: str
    tables: list[Table] = []
    lines: list[Lines] = []
    notes: list[str] = []


class Measured(NamedTuple):
    """The figures of all rounds, and the order in which they were taken."""

    figures: dict[str, dict[str, list[float]]]
    order: list[str]


def interleave(cases: Sequence[Case], rounds: int) -> Measured:
    """Measure every case once a round, one after another.

    The order is another in each round, so that no case always has the same one before it; it is the same in each run.
    """
    shuffle = random.Random(rounds).shuffle
    figures: dict[str, dict[str, list[float]]] = {case.name: {} for case in cases}
    order: list[str] = []
    for _ in range(rounds):
        shuffled = list(cases)
        shuffle(shuffled)
        for case in shuffled:
            order.append(case.name)
            for key, value in case.measure().items():
                figures[case.name].setdefault(key, []).append(value)
    return Measured(figures, order)
