"""Stock movements: pure rules for one stock, and the addition of items to the stocks of products."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from octoffm_async.contract.stocks import Localization, Quantities, Stock

from ..settings import STORAGE_COUNTRIES
from .world import SellerAccount, World

Reason = Literal[
    "Inbound", "OutboundAccepted", "OutboundShipped", "OutboundCancelled", "ReturnReceived", "ReturnInspected"
]

NO_ITEMS = Quantities(available=0, allocated=0, blocked=0, litigation=0, removal=0, return_=0, logistic_operations=0)
"""The quantities of a stock without items. The sandbox knows all quantities, so none is absent."""


def country_code(text: str) -> str:
    """Normalise a storage country. The API uses UK; GB is accepted for it."""
    code = text.strip().upper()
    return "UK" if code == "GB" else code


def available_in(stock: Stock, country: str) -> int:
    """Return the available items of a stock in one country."""
    return next(
        (required_number(part.quantities.available) for part in stock.localizations if part.storage_country == country),
        0,
    )


def apply_movement(stock: Stock, country: str, moment: datetime, reason: Reason, **changes: int) -> Stock:
    """Return the stock after a movement in one country: new totals, a new part of that country, new times of both.

    ``changes`` are differences in items by the fields of :class:`Quantities` (``available=-2, allocated=2``).
    """
    parts = {part.storage_country: part for part in stock.localizations}
    before = parts[country].quantities if country in parts else NO_ITEMS
    parts[country] = Localization(
        storage_country=country,
        quantities=_changed(before, changes),
        updated_at=moment,
        update_reason=reason,
    )
    return replace(
        stock,
        quantities=_changed(stock.quantities, changes),
        localizations=list(parts.values()),
        updated_at=moment,
    )


def add_stock(world: World, seller: str | None, reference: str | None, *, quantity: int, country: str) -> int:
    """Add ``quantity`` available items to one product or to each product of a seller; return the number of products.

    Raises:
        ValueError: ``quantity`` is below 1.
        LookupError: the sandbox does not know the seller, or the seller has not registered the reference.
    """
    if quantity < 1:
        raise ValueError(f"quantity = {quantity}: at least 1 item is needed")
    moment = world.run_due_events()
    account = world.account(seller)
    stock_ids = _stock_ids(account, reference)
    for stock_id in stock_ids:
        stock = account.stocks.get(stock_id)
        if stock is not None:
            after = apply_movement(stock, country_code(country), moment, "Inbound", available=quantity)
            account.stocks.replace(stock_id, after, moment)
    return len(stock_ids)


def _stock_ids(account: SellerAccount, reference: str | None) -> list[str]:
    if reference is None:
        return [stock.id for stock in account.stocks.all_rows()]
    row = account.references.get(reference)
    if row is None or row.stock_id is None:
        raise LookupError(f"reference = {reference!r}: seller {account.seller} has not registered it")
    return [row.stock_id]


def _changed(before: Quantities, changes: Mapping[str, int]) -> Quantities:
    return replace(before, **{name: getattr(before, name) + difference for name, difference in changes.items()})


def activate(world: World, seller: str | None, country: str) -> None:
    """Let a seller (the first, if none is named) supply a country."""
    world.account(seller).countries.add(_storage_country(country))


def deactivate(world: World, seller: str | None, country: str) -> None:
    """Refuse new supply orders of a seller for a country. Existing supply orders go on."""
    world.account(seller).countries.discard(_storage_country(country))


def set_countries(world: World, countries: Mapping[str, Collection[str]]) -> None:
    """Replace the activated countries of the sellers in the mapping; other sellers keep theirs."""
    for seller, active in countries.items():
        if isinstance(active, str):
            raise TypeError(f"countries = {{{seller!r}: {active!r}}}: not a collection of countries")
        world.account(seller).countries = {_storage_country(country) for country in active}


def _storage_country(country: str) -> str:
    code = country_code(country)
    if code not in STORAGE_COUNTRIES:
        raise ValueError(f"country = {country!r}: storage is in {', '.join(STORAGE_COUNTRIES)}")
    return code


def required_number(number: int | None) -> int:
    """Return a number of a row that the sandbox made.

    The contract lets every number be absent, because a server may leave any out. A row of the sandbox has all of them
    from the start; a missing number is a defect of the sandbox, never a zero.
    """
    assert number is not None, "rows of the sandbox hold all their numbers"  # noqa: S101  (an invariant)
    return number
