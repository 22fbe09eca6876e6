"""Exports of shops and marketplaces: which of their columns hold which field, as data beside this module."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from ...errors import ConfigurationError
from ..cells.readers import StatusRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = ("amazon", "magento", "prestashop", "shopify", "woocommerce")


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of file that a shop exports.

    Attributes:
        about: The way to export the file, and what must be known of it.
        columns: By field, the names of its column in the versions of the export; the first one there is taken.
        known: Names of columns that hold nothing for the API.
        statuses: By column, the statuses of orders that are sent, and of those that are left out.
        delimiter: The delimiter, where a file of this kind has always the same.
        quoted: False if quotes mean nothing in the file.
    """

    about: str
    columns: dict[str, list[str]]
    known: list[str] = []
    statuses: dict[str, StatusRule] = {}
    delimiter: str | None = None
    quoted: bool = True

    def mapping(self, header: Sequence[str]) -> dict[str, str]:
        """Return the column of each field that a file with this header has."""
        there = {name.casefold(): name for name in reversed(header)}
        found: dict[str, str] = {}
        for field, names in self.columns.items():
            column = next((there[name.casefold()] for name in names if name.casefold() in there), None)
            if column is not None:
                found[field] = column
        return found

    def fits(self, header: Sequence[str]) -> bool:
        """Return True if a sheet with this header can be such an export."""
        return len(self.mapping(header)) * 2 > len(self.columns)

    def rules(self, header: Sequence[str]) -> dict[str, StatusRule]:
        """Return the rules of the columns of statuses that a file has, by column."""
        there = {name.casefold(): name for name in header}
        return {there[name.casefold()]: rule for name, rule in self.statuses.items() if name.casefold() in there}

    def unknown(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that no version of the export is known to have."""
        names = {name for all_names in self.columns.values() for name in all_names} | {*self.known, *self.statuses}
        folded = {name.casefold() for name in names}
        starts = tuple(name[:-1] for name in folded if name.endswith("*"))
        return [name for name in columns if name.casefold() not in folded and not name.casefold().startswith(starts)]


def read_export(name: str, plural: str) -> Export:
    """Return the description of a shop's export of orders or products.

    Raises:
        ConfigurationError: There is none for this kind.
    """
    kinds = exports_of(name)
    if plural not in kinds:
        raise ConfigurationError(
            f"--from {name} describes {' and '.join(kinds)}, no {plural}: map the columns with --map"
        )
    return kinds[plural]


def exports_of(name: str) -> Mapping[str, Export]:
    """Return the descriptions of a shop's exports, by the plural of their items."""
    table = tomllib.loads((files("octoffm_async.tabular.exports") / f"{name}.toml").read_text(encoding="utf-8"))
    return msgspec.convert(table, dict[str, Export])
