"""Answers as flat rows, for data frames, spreadsheets and databases.

A row has a column for each field that the contract models, whatever the API's spelling. Nested objects are spread into
their parent (``delivery_address_city``), quantities by their type (``available``). A list is one column of JSON text,
but for the parts of a stock: ``available_by_country`` is ``FR=30 ES=7``, with a question mark for what the API did not
give. Everything else that the API did not give is ``None``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from ..contract.forms.convertible import Convertible, json_form
from ..contract.forms.fields import fields_of
from ..contract.stocks import Localization, Quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ColumnType: TypeAlias = Literal["text", "count", "number", "flag", "moment"]
ColumnTypes: TypeAlias = "Mapping[str, ColumnType]"
_TYPES: tuple[tuple[type, ColumnType], ...] = (
    (str, "text"),
    (bool, "flag"),
    (int, "count"),
    (float, "number"),
    (datetime, "moment"),
)


class Rows:  # noqa: PLW1641  (like a list, it has no hash)
    """Flat rows: iterate over them for dictionaries. ``columns`` are their names with the type of each.

    ``polars.DataFrame(rows)`` takes names and types from ``columns``, also where the first rows have no values, and so
    does everything that reads Arrow's stream interface (which needs polars). ``pandas.DataFrame(rows)`` works as well;
    there a column of whole numbers with gaps is ``float``, unless ``convert_dtypes()`` is called.
    """

    def __init__(self, columns: ColumnTypes, rows: Sequence[dict[str, Any]]) -> None:
        self.columns: ColumnTypes = columns
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self._rows[place]

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, Rows | list) else NotImplemented

    def __repr__(self) -> str:
        return f"<Rows: {len(self)} of {', '.join(self.columns)}>"

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows as an Arrow stream, by polars."""
        import polars as pl

        schema = polars_schema(self.columns, pl)
        frame = pl.DataFrame([*self._rows], schema=schema, orient="row")
        return frame.__arrow_c_stream__(requested_schema)


def as_rows(items: Iterable[Convertible], *, kind: Any = None) -> Rows:
    """Return answers of one kind as flat rows; ``kind`` names it, for a list that may be empty.

    Raises:
        TypeError: The items are of several kinds, or no answers.
    """
    rows: list[dict[str, Any]] = []
    for item in items:
        given: Any = getattr(type(item), "__modelled__", type(item))
        if kind is None:
            kind = given
        if given is not kind or not issubclass(given, Convertible):
            wanted = "an answer of the API" if kind is given else kind.__name__
            raise TypeError(f"a row is made of {wanted}, not of {given.__name__}")
        rows.append(flat_row(item))
    return Rows({} if kind is None else columns_of(kind), rows)


@lru_cache(maxsize=64)
def columns_of(kind: Any) -> ColumnTypes:
    """Return the columns of a kind of answer, in their order."""
    columns: dict[str, ColumnType] = {}
    for field in fields_of(kind):
        if field.inner is Localization:
            columns["available_by_country"] = "text"
        elif field.kind == "struct":
            prefix = "" if field.inner is Quantities else f"{field.key}_"
            columns |= {prefix + name: type_ for name, type_ in columns_of(field.inner).items()}
        else:
            known = field.inner if field.kind == "value" and isinstance(field.inner, type) else str
            columns[field.key] = next(name for type_, name in _TYPES if issubclass(known, type_))
    return columns


def flat_row(item: Any) -> dict[str, Any]:
    """Return one answer as a flat row."""
    row: dict[str, Any] = {}
    for field in fields_of(cast("Any", type(item))):
        value = getattr(item, field.name)
        if field.inner is Localization:
            row["available_by_country"] = available_by_country([item])
        elif field.kind == "struct":
            prefix = "" if field.inner is Quantities else f"{field.key}_"
            inner = dict.fromkeys(columns_of(field.inner)) if value is None else flat_row(value)
            row |= {prefix + name: part for name, part in inner.items()} if prefix else inner
        else:
            row[field.key] = _cell(value)
    return row


def available_by_country(stocks: Sequence[Any]) -> str:
    """Return a text such as ``FR=30 ES=7``; ``?`` stands for a country or a quantity that the API did not give."""
    places: dict[str, int | None] = {}
    for part in (part for stock in stocks for part in stock.localizations):
        country, more = part.storage_country or "?", part.quantities.available
        before = places.get(country, 0)
        places[country] = None if before is None or more is None else before + more
    return " ".join(f"{country}={'?' if number is None else number}" for country, number in places.items())


def polars_schema(columns: ColumnTypes, polars: Any) -> dict[str, Any]:
    """Return the columns with polars' types."""
    types: dict[ColumnType, Any] = {
        "text": polars.String,
        "count": polars.Int64,
        "number": polars.Float64,
        "flag": polars.Boolean,
        "moment": polars.Datetime("us", "UTC"),
    }
    return {name: types[kind] for name, kind in columns.items()}


def _cell(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC)
        case list() | tuple():
            return json.dumps([_snake(part) for part in cast("list[Any]", value)], ensure_ascii=False)
        case _:
            return value


def _snake(value: Any) -> Any:
    return json_form(value.to_dict()) if isinstance(value, Convertible) else json_form(value)
