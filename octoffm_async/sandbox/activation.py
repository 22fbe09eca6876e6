"""Activation of storage countries: a seller may supply only activated ones (API.md, 5)."""

from collections.abc import Collection, Mapping

from .movements import country_code
from .settings import STORAGE_COUNTRIES
from .world import World


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
