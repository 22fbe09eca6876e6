"""Serialisation of a whole world to bytes, and back.

A snapshot stores rows in the form of the API, and pending events by the names of their functions. It does not store the
parts of a run that are not the world: tokens, faults and counters of requests.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from random import Random
from types import GenericAlias
from typing import Any, cast

import msgspec

from octoffm_async.contract.common import Document
from octoffm_async.contract.returns import Return

from .scheduled_events import SCHEDULED_EVENTS, event_name
from .table import RowTable, TableChange
from .world import EffectKind, SellerAccount, World

# Attributes of an account besides its tables, and their types in the file. Keys of JSON are text only, so a dictionary
# is stored as its items.
ACCOUNT_FIELDS: Mapping[str, Any] = {
    "cancellation_of_shipment": list[tuple[str, str]],
    "countries": list[str],
    "documents": list[tuple[str, Document]],
    "received": list[tuple[str, Return]],
    "reference_of_pair": list[tuple[tuple[str, str], str]],
    "reference_of_product": list[tuple[str, str]],
    "returns_of_shipment": list[tuple[str, list[str]]],
    "shipments_of_reference": list[tuple[str, list[str]]],
}


class _TheWorld(msgspec.Struct, frozen=True, tag="world"):
    """The world, as an argument of an event."""


class _TheAccount(msgspec.Struct, frozen=True, tag="account"):
    """An account, as an argument of an event."""

    seller: str


_Argument = str | int | float | _TheWorld | _TheAccount


class _Event(msgspec.Struct, frozen=True):
    due: datetime
    name: str
    arguments: list[_Argument]


class _SavedTable(msgspec.Struct, frozen=True):
    keys: list[str]
    rows: msgspec.Raw
    changes: list[tuple[int, datetime]]
    hidden: list[str]


class _Account(msgspec.Struct, frozen=True):
    ledgers: dict[str, _SavedTable]
    fields: dict[str, msgspec.Raw]
    effects: dict[EffectKind, dict[str, int]]


class _Snapshot(msgspec.Struct, frozen=True):
    now: datetime
    accounts: dict[str, _Account]
    events: list[_Event]
    generators: dict[str, tuple[int, list[int], float | None]]


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Snapshot)


def take_snapshot(world: World, generators: Mapping[str, Random]) -> bytes:
    """Return a snapshot of the world. Raises ``TypeError`` for a pending event that cannot be stored."""
    now = world.run_due_events()
    snapshot = _Snapshot(
        now=now,
        accounts={seller: _saved_account(world, account) for seller, account in world.accounts.items()},
        events=[_saved_event(world, due, happen) for due, happen in world.pending()],
        generators={name: _saved_generator(generator) for name, generator in generators.items()},
    )
    return _encode(snapshot)


def restore_snapshot(world: World, generators: Mapping[str, Random], content: bytes) -> None:
    """Restore a snapshot into an empty world. Raises ``ValueError`` if it does not fit this version."""
    snapshot = _decoder.decode(content)
    for seller, saved in snapshot.accounts.items():
        account = world.get_or_create_account(seller)
        _restore_account(account, saved)
        for kind, counts in saved.effects.items():
            for key, count in counts.items():
                world.effects.add(seller, kind, key, count)
    for event in snapshot.events:
        world.schedule(event.due, _scheduled_event(world, event))
    for name, (version, numbers, gauss) in snapshot.generators.items():
        if name in generators:
            generators[name].setstate((version, tuple(numbers), gauss))
    world.clock.resume(snapshot.now)


def _saved_account(world: World, account: SellerAccount) -> _Account:
    return _Account(
        ledgers={name: _saved_table(table) for name, table in account.tables().items()},
        fields={
            name: msgspec.Raw(_encode(_plain(getattr(account, name))))
            for name in ACCOUNT_FIELDS
            if hasattr(account, name)
        },
        effects=world.effects.of(account.seller).as_dict(),
    )


def _restore_account(account: SellerAccount, saved: _Account) -> None:
    tables = account.tables()
    for name, table in saved.ledgers.items():
        if name not in tables:
            raise ValueError(f"unknown table {name!r}")
        rows = msgspec.json.decode(_today(bytes(table.rows)), type=GenericAlias(list, (tables[name].row_type,)))
        changes = [TableChange(place, moment) for place, moment in table.changes]
        tables[name].restore(table.keys, rows, changes, table.hidden)
    for name, raw in saved.fields.items():
        if name not in ACCOUNT_FIELDS or not hasattr(account, name):
            raise ValueError(f"unknown field {name!r} of an account")
        held: object = getattr(account, name)
        container = cast("Callable[[Any], object]", type(held))
        setattr(account, name, container(msgspec.json.decode(raw, type=ACCOUNT_FIELDS[name])))


def _today(rows: bytes) -> bytes:
    """Return rows in the current spelling: earlier versions spelled the types of quantities in camelCase.

    Without the conversion such quantities would be absent.
    """
    if b'"quantities":{"available":' not in rows:
        return rows
    found: Any = msgspec.json.decode(rows)
    for stock in found:
        for part in (stock, *stock["localizations"]):
            part["quantities"] = {name[0].upper() + name[1:]: number for name, number in part["quantities"].items()}
    return _encode(found)


def _plain(held: object) -> object:
    return list(cast("dict[object, object]", held).items()) if isinstance(held, dict) else held


def _saved_table(table: RowTable[Any]) -> _SavedTable:
    return _SavedTable(
        keys=list(table.keys()),
        rows=msgspec.Raw(_encode(table.all_rows())),
        changes=[(change.place, change.moment) for change in table.changes()],
        hidden=table.hidden_keys(),
    )


def _saved_event(world: World, due: datetime, happen: Callable[[datetime], None]) -> _Event:
    if not isinstance(happen, partial) or happen.keywords:
        raise TypeError(f"{happen!r} cannot be stored: an event is partial(function, …) with positional arguments")
    name = event_name(happen.func)
    return _Event(due, name, [_saved_argument(world, name, argument) for argument in happen.args])


def _saved_argument(world: World, name: str, argument: object) -> _Argument:
    match argument:
        case World() if argument is world:
            return _TheWorld()
        case SellerAccount():
            return _TheAccount(argument.seller)
        case bool():
            pass
        case str() | int() | float():
            return argument
        case _:
            pass
    raise TypeError(f"{name} cannot be stored: {argument!r} is neither the world nor an account, text or a number")


def _scheduled_event(world: World, event: _Event) -> Callable[[datetime], None]:
    if event.name not in SCHEDULED_EVENTS:
        raise ValueError(f"unknown event {event.name!r}")
    return partial(SCHEDULED_EVENTS[event.name], *(_argument(world, argument) for argument in event.arguments))


def _argument(world: World, argument: _Argument) -> object:
    match argument:
        case _TheWorld():
            return world
        case _TheAccount(seller):
            return world.account(seller)
        case _:
            return argument


def _saved_generator(generator: Random) -> tuple[int, list[int], float | None]:
    version, numbers, gauss = generator.getstate()
    return version, list(numbers), gauss
