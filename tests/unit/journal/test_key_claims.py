"""Claims: one holder a key, and those who wait learn when it is let go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from octoffm_async.journal.key_claims import KeyClaims, key_claims_of

pytestmark = pytest.mark.one_loop


class Holder:
    """Somebody."""


async def test_the_first_to_take_a_key_holds_it_until_it_lets_go() -> None:
    claims, one, other = KeyClaims(), Holder(), Holder()
    assert claims.take(["A", "B"], one)
    assert claims.take(["B"], one)
    assert not claims.take(["B", "C"], other)
    assert [claims.held_by(key, one) for key in "ABC"] == [True, True, False]
    assert [claims.held_by_other(key, one) for key in "ABCD"] == [False, False, True, False]
    assert claims.held_by_others("ABCD", one) == {"C"}
    assert claims.held_by_others("ABCD", other) == {"A", "B"}
    assert KeyClaims().held_by_others("ABCD", one) == set()
    claims.release(["A", "B", "C"], other)
    assert [claims.held_by(key, one) for key in "ABC"] == [True, True, False]


async def test_a_wait_ends_when_the_key_is_free() -> None:
    claims, one, other = KeyClaims(), Holder(), Holder()
    claims.take(["A"], one)
    waiting = asyncio.create_task(claims.wait_for("A", other))
    await asyncio.sleep(0)
    assert not waiting.done()
    claims.release(["A"], one)
    await asyncio.wait_for(waiting, 1)
    await claims.wait_for("A", other)


async def test_claims_are_of_a_journal_a_seller_and_an_operation() -> None:
    journal: Any = Holder()
    assert key_claims_of(journal, "1", "outbound.create") is key_claims_of(journal, "1", "outbound.create")
    assert key_claims_of(journal, "1", "outbound.create") is not key_claims_of(journal, "2", "outbound.create")
    assert key_claims_of(journal, "1", "outbound.create") is not key_claims_of(journal, "1", "inbound.create")
