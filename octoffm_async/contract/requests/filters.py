"""Validation of the filters of a list or a count, before the client sends them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ..base import Query
from ..stocks import StockFilters
from .checks import PAGE_MAX, FieldProblem, is_whole_number, text_problems, time_problems, with_encoding_problems

_BOUNDS = ("_min", "_max")


def filter_problems(filters: Query) -> list[FieldProblem]:
    """Return all problems of the filters of a list or a count."""
    found: list[FieldProblem] = []
    for name in filters.__struct_fields__:
        value = getattr(filters, name)
        if name == "limit":
            found += _limit(value)
        elif value is not None:
            found += time_problems(name, value) if name.endswith(_BOUNDS) else text_problems(name, value)
    found = with_encoding_problems(found, filters)
    found += _periods(filters)
    if isinstance(filters, StockFilters):
        found += _excluded_by_delivery_country(filters)
    return found


def _limit(value: Any) -> Iterator[FieldProblem]:
    if not is_whole_number(value) or not 1 <= value <= PAGE_MAX:
        yield FieldProblem("limit", value, f"is not a whole number from 1 to {PAGE_MAX}")


def _periods(filters: Query) -> Iterator[FieldProblem]:
    for name in filters.__struct_fields__:
        stem = name.removesuffix("_min")
        low, high = getattr(filters, name), getattr(filters, f"{stem}_max", None)
        if stem == name or not isinstance(low, datetime) or not isinstance(high, datetime):
            continue
        if low.utcoffset() is not None and high.utcoffset() is not None and low > high:
            yield FieldProblem(name, low.isoformat(), f"is after {stem}_max")


def _excluded_by_delivery_country(filters: StockFilters) -> Iterator[FieldProblem]:
    if filters.delivery_country is None:
        return
    for name in ("updated_at_min", "updated_at_max", "storage_country", "sort", "order"):
        value = getattr(filters, name)
        if value is not None:
            yield FieldProblem(name, str(value), "cannot be combined with delivery_country")
