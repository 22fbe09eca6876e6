"""Another order under a used reference: refused by an error of its own that names the fields and no values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import (
    ConflictError,
    ConnectionLostError,
    Created,
    OutboundShipmentRequest,
    Outcome,
    PayloadConflictError,
    Refused,
    Skipped,
    Unknown,
)
from octoffm_async.bulk.durable.settings import outgoing_items_of
from octoffm_async.disk.seen_keys import SeenKeys
from octoffm_async.journal import Journal, OutgoingItem, State
from tests.support.fakes import Answer, Sent, answer
from tests.support.items import all_of, fake, order, orders, posted, product, serving


async def done(run: Any) -> dict[str, Outcome]:
    async with run:
        return {outcome.key: outcome async for outcome in run}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


async def test_another_payload_under_a_used_key_is_refused_with_its_fields(path: Path) -> None:
    async with serving() as (sandbox, client):
        await done(client.bulk.create_outbound([order("O-1")], journal=path))
        other = order("O-1", quantity=2, city="Lyon")
        outcomes = await done(client.bulk.create_outbound([other], journal=path))
        assert sandbox.effects.outbound["O-1"] == 1
    refused = outcomes["O-1"]
    assert isinstance(refused, Refused)
    assert refused.code == "PayloadChanged"
    assert refused.message.count("hash") == 1
    assert len([word for word in refused.message.replace(",", " ").replace(")", " ").split() if len(word) == 32]) == 2
    assert isinstance(refused.error, PayloadConflictError)
    assert (refused.error.key, refused.error.fields) == ("O-1", ("lines", "delivery_address"))
    assert "different: lines, delivery_address" in refused.message
    assert not re.search("Lyon|Paris", refused.message)


async def test_what_is_undecided_is_compared_with_its_own_request(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        journal_run = await journal.begin_run(seller=sandbox.config().seller_id, operation="outbound.create")
        await journal_run.mark_sent(outgoing_items_of(["O-1"], [order("O-1")]))
        outcomes = await done(client.bulk.create_outbound([order("O-1", city="Lyon")], journal=journal, patience=0.0))
        refused = outcomes["O-1"]
        assert isinstance(refused, Refused)
        assert isinstance(refused.error, PayloadConflictError)
        assert refused.error.fields == ("delivery_address.city",)
        assert sandbox.requests.count("outbound.create") == 0


@pytest.mark.parametrize("state", [State.CREATED, State.SENT])
async def test_a_journal_of_before_the_hashes_of_fields_knows_its_orders(path: Path, state: State) -> None:
    def as_before(count: int) -> list[OutgoingItem]:
        both = outgoing_items_of([f"O-{number}" for number in range(count)], orders(count))
        return [OutgoingItem(one.key, one.payload_hash[:16], one.payload) for one in both]

    async with serving() as (sandbox, client):
        made = {item.reference: await client.outbound.create(item) for item in orders(5)}
        async with Journal.open(path) as journal:
            journal_run = await journal.begin_run(seller=sandbox.config().seller_id, operation="outbound.create")
            await journal_run.mark_sent(as_before(5))
            if state is State.CREATED:
                for key, remote_id in made.items():
                    journal_run.record_created(key, remote_id)
                await journal_run.flush()
        outcomes = await done(client.bulk.create_outbound(orders(8), journal=path, patience=0.0))
        assert set(sandbox.effects.outbound.values()) == {1}
        known = [
            outcome.earlier if isinstance(outcome, Skipped) else outcome
            for key, outcome in outcomes.items()
            if key in made
        ]
        assert {one.key: one.id for one in known if isinstance(one, Created)} == made
        changed = await done(
            client.bulk.create_outbound([order("O-1", quantity=9), order("O-7", city="Lyon")], journal=path)
        )
    fields_by_key = {
        key: one.error.fields
        for key, one in changed.items()
        if isinstance(one, Refused) and isinstance(one.error, PayloadConflictError)
    }
    assert fields_by_key == {"O-1": (), "O-7": ("delivery_address",)}


async def test_items_of_both_kinds_of_hashes_are_settled_together(path: Path) -> None:
    async with serving() as (sandbox, _), Journal.open(path) as journal:
        journal_run = await journal.begin_run(seller=sandbox.config().seller_id, operation="outbound.create")
        sent = outgoing_items_of([f"O-{number}" for number in range(9)], orders(9))
        mixed = [
            OutgoingItem(one.key, one.payload_hash[: 16 if place % 2 else None], one.payload)
            for place, one in enumerate(sent)
        ]
        await journal_run.mark_sent(mixed)
        for one in mixed:
            journal_run.record_created(one.key, f"id {one.key}")
        await journal_run.flush()
        entries = await journal_run.look_up([one.key for one in mixed])
    for one, entry in zip(mixed, entries, strict=True):
        assert entry is not None
        assert (entry.state, entry.remote_id) == (State.CREATED, f"id {one.key}")
        assert entry.payload_hash + entry.field_hashes == one.payload_hash


async def test_what_stays_unknown_says_to_ask_again_and_when(path: Path) -> None:
    def script(sent: Sent) -> Answer:
        if sent.method == "POST":
            return ConnectionLostError("the connection broke")
        return answer(503)

    client, _ = fake(script, max_attempts=1)
    async with client:
        outcomes = await done(client.bulk.create_outbound([order("O-1")], journal=path, patience=7.0))
    unknown = outcomes["O-1"]
    assert isinstance(unknown, Unknown)
    assert "ask again with the same journal" in unknown.reason
    assert "look it up by its reference" not in unknown.reason
    assert unknown.retry_after is not None
    assert 0 < unknown.retry_after <= 7.0
    assert isinstance(unknown.error, ConnectionLostError)
    assert unknown.error.in_journal
    assert unknown.error.retry_after == 7.0


@pytest.mark.parametrize("with_journal", [False, True])
@pytest.mark.parametrize("between", [0, 300])
async def test_another_order_under_a_reference_of_the_same_input_is_refused(
    path: Path, with_journal: bool, between: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("octoffm_async.bulk.intake.SeenKeys", partial(SeenKeys, in_memory=100))  # the others: on disk

    def items() -> Iterator[OutboundShipmentRequest]:
        yield from (order("A"), order("B"))
        yield from (order(f"N-{number}") for number in range(between))
        yield from (order("A", quantity=2, city="Lyon"), order("B"))

    client, transport = fake()
    async with client:
        run = client.bulk.create_outbound(items(), journal=path if with_journal else None)
        outcomes, error = await all_of(run)
    assert error is None
    creations = [sent for sent in transport.sent if sent.url.endswith("/outbound-shipments")]
    assert len(creations) == between + 2
    assert [posted(sent) for sent in creations[:2]] == [["A"], ["B"]]
    others = [outcome for outcome in outcomes if not isinstance(outcome, Created)]
    refused, skipped = sorted(others, key=lambda outcome: outcome.key)
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "the same key came before in this input"
    assert isinstance(refused, Refused)
    assert (refused.key, refused.code) == ("A", "PayloadChanged")
    assert isinstance(refused.error, PayloadConflictError)
    assert isinstance(refused.error, ConflictError)
    assert refused.error.fields == ("lines", "delivery_address")
    assert not re.search("Lyon|Paris", f"{refused.message} {refused.error} {refused.error!r}")


@pytest.mark.parametrize("between", [0, 700])
async def test_what_a_journal_shows_as_created_may_come_again_in_one_input_and_is_not_sent(
    path: Path, between: int
) -> None:
    given = [
        *(order("A"), order("B"), order("A")),
        *(order(f"N-{number}") for number in range(between)),
        *(order("A", city="Lyon"), order("B"), order("C"), order("C", city="Lyon")),
    ]
    client, transport = fake()
    async with client:
        await all_of(client.bulk.create_outbound([order("A"), order("B")], journal=path))
        sent = len(transport.sent)
        run = client.bulk.create_outbound(given, journal=path, with_items=True)
        outcomes, error = await all_of(run)
    assert error is None
    assert len([one for one in transport.sent[sent:] if one.url.endswith("/outbound-shipments")]) == between + 1
    assert sorted(id(outcome.item) for outcome in outcomes) == sorted(map(id, given))
    kinds = sorted((type(outcome).__name__, outcome.key) for outcome in outcomes if outcome.key[0] != "N")
    assert kinds == [("Created", "C"), ("Refused", "A"), ("Refused", "C"), *[("Skipped", key) for key in "AABB"]]
    refused = [outcome.error for outcome in outcomes if isinstance(outcome, Refused)]
    assert [error.fields for error in refused if isinstance(error, PayloadConflictError)] == [("delivery_address",)] * 2


async def test_another_product_under_a_reference_of_the_same_input_is_refused() -> None:
    client, _ = fake()
    async with client:
        products = [product(1), product(2), product(1, title="Another"), product(2)]
        outcomes, _ = await all_of(client.bulk.create_products(products))
    kinds = sorted((outcome.key, type(outcome).__name__) for outcome in outcomes)
    assert kinds == [("P-1", "Created"), ("P-1", "Refused"), ("P-2", "Created"), ("P-2", "Skipped")]
