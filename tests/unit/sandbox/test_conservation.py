"""No item appears or disappears: what lies in the stocks is what came in, less what left, plus what came back."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from octoffm_async.contract.stocks import Stock
from octoffm_async.sandbox import Inspection, Reception, Sandbox
from tests.unit.sizes import tries

from .desk import COUNTRIES, Shop, unsound, watch

ACTIONS = 10_000
SELLERS = ("1", "2", "3")
REFERENCES = [f"REF-{number}" for number in range(6)]
OPEN = ("Allocated", "Return")
"""Quantities that are empty once everything has settled."""


def new_sandbox(seed: int) -> Sandbox:
    return Sandbox(
        seed=seed,
        speed=0,
        sellers=SELLERS,
        reception=Reception(undelivered=0.1),
        inspection=Inspection(damaged=0.2, wrong=0.15, missing=0.2, undeclared=0.4),
    )


def settle(sandbox: Sandbox) -> None:
    """Let everything come to its end; each kind of thing takes less than a day."""
    sandbox.clock.advance(86_400)
    assert not sandbox._state.world._events


def check_totals(shop: Shop) -> None:
    """Compare every stock row, in all and by country, with the shop's own count."""
    for (key, reference), items in shop.returned_of_shipments().items():
        assert 0 <= items <= sum(quantity for name, quantity in shop.orders[key] if name == reference)
    received, shipped, returned = shop.received(), shop.shipped(), shop.returned()
    for reference, stock in shop.stocks().items():
        parts = {part["storageCountry"]: part["quantities"] for part in stock["localizations"]}
        for name, total in stock["quantities"].items():
            assert total == sum(part[name] for part in parts.values())
            assert min([total, *(part[name] for part in parts.values())]) >= 0
        assert [stock["quantities"][name] for name in OPEN] == [0, 0]
        for country in COUNTRIES:
            place = (reference, country)
            assert sum(parts.get(country, {}).values()) == received[place] - shipped[place] + returned[place]
        places = [(reference, country) for country in COUNTRIES]
        expected = sum(received[place] - shipped[place] + returned[place] for place in places)
        assert sum(stock["quantities"].values()) == expected


def some_lines(rng: Random) -> list[tuple[str, int]]:
    names = [*REFERENCES, "REF-99"] if rng.random() < 0.05 else REFERENCES
    return [(rng.choice(names), rng.randint(1, 4)) for _ in range(rng.randint(1, 3))]


def act(shop: Shop, rng: Random) -> None:
    """One thing that the seller, his customers, the warehouse, the carrier or time may do."""
    recent = list(shop.orders)[-40:] or ["none"]
    country = rng.choice(COUNTRIES)
    match rng.choices(range(8), (2, 5, 6, 35, 12, 18, 4, 18))[0]:
        case 0:
            shop.register(rng.randrange(len(REFERENCES)))
        case 1:
            shop.add_stock(rng.choice(REFERENCES), rng.randint(1, 20), country)
        case 2:
            shop.supply(some_lines(rng), country)
        case 3:
            shop.ship(some_lines(rng), country, by_product=rng.random() < 0.3)
        case 4:
            shop.cancel(rng.choice(recent[-10:]))
        case 5:
            key = rng.choice(recent)
            ordered = shop.orders.get(key, [("REF-0", 1)])
            shop.give_back(key, [(name, rng.randint(1, quantity)) for name, quantity in ordered[: rng.randint(1, 3)]])
        case 6:
            if recent != ["none"]:
                shop.carry_back(rng.choice(recent))
        case _:
            shop.sandbox.clock.advance(rng.expovariate(1 / 8))


@pytest.mark.parametrize("seed", range(1, 1 + tries(3)))
def test_ten_thousand_random_actions_lose_and_invent_nothing(seed: int) -> None:
    rng, sandbox = Random(seed), new_sandbox(seed)
    moves: Counter[str | None] = Counter()

    def see(row: Stock) -> None:
        assert unsound(row) is None
        last = max(row.localizations, key=lambda part: (part.updated_at == row.updated_at, part.updated_at))
        moves[last.update_reason] += 1

    shops = [Shop(sandbox, seller) for seller in SELLERS]
    for shop in shops:
        watch(sandbox._state.world.account(shop.seller), see)
    for _ in range(ACTIONS):
        act(rng.choice(shops), rng)
    settle(sandbox)
    for shop in shops:
        check_totals(shop)
    check_that_much_happened(shops, moves)


def check_that_much_happened(shops: list[Shop], moves: Counter[str | None]) -> None:
    """The proof is worth something only if every kind of movement and of outcome took place, and often."""
    reasons = (
        "Inbound", "OutboundAccepted", "OutboundShipped", "OutboundCancelled", "ReturnReceived", "ReturnInspected"
    )  # fmt: skip
    assert min(moves[reason] for reason in reasons) > 100
    seen: Counter[Any] = Counter()
    for shop in shops:
        assert len(shop.products) == len(REFERENCES)
        for key in shop.requests:
            seen["request", shop.read(f"/outbound-cancellation-requests/{key}")["status"]] += 1
        for key in shop.orders:
            seen["order", shop.read(f"/outbound-shipments/{key}")["status"]] += 1
        for key in shop.returns:
            row = shop.read(f"/returns/{key}")
            seen["return", row["type"]] += 1
            seen["undeclared"] += row["undeclaredQuantity"]
            seen.update(("line", entry["state"]) for entry in row["lines"])
    refusals = sum((shop.answers for shop in shops), Counter[tuple[str, int]]())
    often = [
        ("request", "Accepted"), ("request", "Refused"), ("order", "Shipped"), ("order", "Refused"),
        ("order", "Cancelled"), ("return", "Customer"), ("return", "Carrier"), ("line", "Good"), ("line", "Damaged"),
        ("line", "Wrong"), ("line", None), "undeclared",
    ]  # fmt: skip
    assert min(seen[what] for what in often) >= 20, seen
    assert min(refusals["/returns", status] for status in (409, 422)) > 20
    assert not {what for what in seen if what[1] in ("Pending", "Created", "InPreparation")}


sellers = st.integers(0, 1)
references = st.sampled_from(REFERENCES[:2])
countries = st.sampled_from(COUNTRIES[1:])
wishes = st.lists(st.tuples(references, st.integers(1, 4)), min_size=1, max_size=3)
picks = st.integers(0, 3)


class Trade(RuleBasedStateMachine):
    """The same proof with actions that hypothesis chooses, and makes fewer when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = new_sandbox(1)
        self.shops = [Shop(self.sandbox, seller) for seller in SELLERS[:2]]
        for shop in self.shops:
            shop.register(0)
            shop.register(1)
            shop.add_stock("REF-0", 10, "ES")
            shop.supply([("REF-0", 10), ("REF-1", 10)], "UK")

    def last_orders(self, at: int, pick: int) -> list[str]:
        """One of a shop's last orders, if it has that many."""
        return list(reversed(self.shops[at].orders))[pick : pick + 1]

    @rule(at=sellers, reference=references, quantity=st.integers(1, 20), country=countries)
    def add_stock(self, at: int, reference: str, quantity: int, country: str) -> None:
        self.shops[at].add_stock(reference, quantity, country)

    @rule(at=sellers, requested=wishes, country=countries)
    def supply(self, at: int, requested: list[tuple[str, int]], country: str) -> None:
        self.shops[at].supply(requested, country)

    @rule(at=sellers, requested=wishes, country=countries, by_product=st.booleans())
    def ship(self, at: int, requested: list[tuple[str, int]], country: str, by_product: bool) -> None:
        self.shops[at].ship(requested, country, by_product=by_product)

    @rule(at=sellers, pick=picks)
    def cancel(self, at: int, pick: int) -> None:
        for key in self.last_orders(at, pick):
            self.shops[at].cancel(key)

    @rule(at=sellers, pick=picks, all_of_it=st.booleans())
    def give_back(self, at: int, pick: int, all_of_it: bool) -> None:
        for key in self.last_orders(at, pick):
            ordered = self.shops[at].orders[key]
            self.shops[at].give_back(key, ordered if all_of_it else [(ordered[0][0], 1)])

    @rule(at=sellers, pick=picks)
    def carry_back(self, at: int, pick: int) -> None:
        for key in self.last_orders(at, pick):
            self.shops[at].carry_back(key)

    @rule(seconds=st.sampled_from([3, 10, 30]))
    def wait(self, seconds: int) -> None:
        self.sandbox.clock.advance(seconds)

    @invariant()
    def every_row_is_sound(self) -> None:
        for account in self.sandbox._state.world.accounts.values():
            assert [unsound(row) for row in account.stocks.rows] == [None] * len(account.stocks)

    def teardown(self) -> None:
        settle(self.sandbox)
        for shop in self.shops:
            check_totals(shop)


TestTrade = Trade.TestCase
TestTrade.settings = settings(max_examples=tries(40), stateful_step_count=40)
