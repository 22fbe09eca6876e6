"""All of a seller's business, by the library, with APIs that say the same in other words: it comes out the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from octoffm_async import (
    BadRequestError,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    NotFoundError,
    Packaging,
    ShipmentLine,
    ValidationError,
)
from octoffm_async.journal import Journal
from octoffm_async.sandbox import Fault
from tests.support.dialects import B, C, openapi
from tests.support.forks import Forks
from tests.support.inside import adopt
from tests.support.items import gtin, order

from .contracts import contract_of
from .scenario import Scenario
from .server import Speaking, speaking
from .shipping import BAD_ORDER, ORDERS
from .speech import PascalText, Speech, Tabled

T = TypeVar("T")

DOCUMENTS = {"plain": "pdf", "A": "url", "B": "base64", "C": "url"}
"""How each API answers a document."""
SPEECHES = {"A": PascalText(), "B": Tabled(B), "C": Tabled(C)}
DIALECTS = {"B": B, "C": C}

pytestmark = pytest.mark.one_loop


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.behaviour.dialects.shipping") as forks:
        yield forks


def travelled(speech: Speech, forks: Forks, folder: Path) -> tuple[Scenario, Speaking]:
    dialect = DIALECTS.get(speech.name)
    contract = None if dialect is None else contract_of(dialect, folder)
    with speaking(speech, documents=DOCUMENTS[speech.name]) as api:
        scenario = Scenario(api, forks, folder, contract)
        asyncio.run(scenario.go())
    return scenario, api


@pytest.fixture(scope="module")
def expected(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What comes out with the plain sandbox."""
    scenario, api = travelled(Speech(), forks, tmp_path_factory.mktemp("plain"))
    assert (scenario.drift, api.refused) == ([], [])
    return scenario.results


def test_the_business_is_what_it_should_be(expected: dict[str, Any]) -> None:
    """What the dialects are compared with is not empty."""
    bad = f"O-{BAD_ORDER:03}"
    assert {key: results for key, results in expected["shipped"].items() if results != ["Created", ""]} == {
        bad: ["Refused", "UnknownProduct"]
    }
    assert len(expected["shipped"]) == ORDERS
    assert [row["code"] for row in expected["registered"] if row["status"] == "Refused"] == [
        "ProductAlreadyReferenced",
        "SellerProductReferenceAlreadyUsed",
    ]
    effects = expected["effects"]
    assert set(effects["outbound"]) == {*expected["shipped"], "CANCELLED", "LATE"}
    assert {count for kind in effects.values() for count in kind.values()} == {1}
    assert Counter(row["status"] for row in expected["orders"]) == {"Shipped": ORDERS - 1, "Refused": 1}
    assert all(row["parcels"] for row in expected["orders"] if row["status"] == "Shipped")
    assert expected["invalid"] == [bad]
    assert expected["counts"] == [1, 3, ORDERS + 1, ORDERS + 2, 1]
    assert expected["changes"]["outbound", "Shipped"] == ORDERS
    assert expected["largest"][:4] == [204, 202, 200, 139]
    assert {expected[f"looked up by {how}"][2] for how in ("filter", "get", "scan", "auto")} == {
        ("P-2", "Found", expected["looked up by get"][2][2])
    }
    assert "available=204" in expected["looked up by get"][2][2]


@pytest.mark.parametrize("name", ["A", *(pytest.param(name, marks=pytest.mark.soak) for name in "BC")])
def test_it_comes_out_the_same_in_other_words(
    expected: dict[str, Any], forks: Forks, tmp_path: Path, name: str
) -> None:
    scenario, api = travelled(SPEECHES[name], forks, tmp_path)
    assert api.refused == []
    results = scenario.results
    assert results.keys() == expected.keys()
    for part, value in expected.items():
        assert results[part] == value, part
    drift = {(one.operation, one.path, one.kind, one.found) for one in scenario.drift}
    if name == "A":  # nothing reads otherwise but numbers, and each of them is told
        assert {(kind, found) for _, _, kind, found in drift} == {("type", "string")}
        assert {path.rpartition(".")[2] for _, path, _, _ in drift} >= {"quantity", "available", "undeclared_quantity"}
    else:
        assert drift == {("products.create", "paging", "unknown", "object")}


def test_only_what_no_program_could_know_is_open() -> None:
    found = {name: [(one.section, one.name) for one in adopt(openapi(DIALECTS[name])).open] for name in DIALECTS}
    assert found == {"B": [], "C": [("extra.InboundShipmentRequest", "warehouseCode")]}


@pytest.mark.parametrize("name", ["B", "C"])
def test_what_the_journal_kept_is_sent_in_the_words_of_the_api(tmp_path: Path, name: str) -> None:
    contract = contract_of(DIALECTS[name], tmp_path)
    with speaking(SPEECHES[name]) as api:

        async def main() -> tuple[list[str], list[str]]:
            async with FulfillmentClient(api.config(contract=contract), hooks=()) as client:
                await client.products.create([HEAVY])
                journal = tmp_path / "o.journal"
                requests = [order(f"O-{number}", product="P-1") for number in range(3)]
                api.thread.next_fault(Fault.ERROR_500, operation="outbound.create", times=1000)
                with_none = client.with_options(retries=0)
                async with with_none.bulk.create_outbound(requests, journal=journal, patience=0) as run:
                    first = [type(outcome).__name__ async for outcome in run]
                api.thread.clear_faults()
                async with Journal.open(journal) as opened:
                    (record,) = await opened.runs()
                    # Each was absent twice: a person says that it may be sent once more.
                    await opened.settle([request.reference for request in requests], absent=True)
                async with client.bulk.resume(journal, record.id, patience=0) as again:
                    return first, [type(outcome).__name__ async for outcome in again]

        first, second = asyncio.run(main())
        assert (first, second) == (["Unknown"] * 3, ["Created"] * 3)
        assert api.refused == []
        assert api.sandbox.effects.outbound == {"O-0": 1, "O-1": 1, "O-2": 1}
        said = {request["reference"]: request for request in api.heard["outbound.create"][:3]}
        assert all(said[request["reference"]] == request for request in api.heard["outbound.create"])


# What the servers refuse, so that a journey without a refusal shows something


def asked(api: Speaking, work: Callable[[FulfillmentClient], Awaitable[T]], contract: Path | None = None) -> T:
    async def main() -> T:
        async with FulfillmentClient(api.config(contract=contract), hooks=()) as client:
            return await work(client)

    return asyncio.run(main())


def edited(folder: Path, line: str, other: str = "") -> Path:
    """The contract file of dialect C with one of its lines changed."""
    file = contract_of(C, folder)
    text = file.read_text(encoding="utf-8")
    found = next(one for one in text.splitlines() if one.startswith(line))
    file.write_text(text.replace(f"\n{found}\n", f"\n{other}\n"), encoding="utf-8")
    return file


HEAVY = FulfillmentProduct(
    gtin=gtin(1),
    seller_product_reference="P-1",
    title="A thing",
    packaging=Packaging(length_cm=20, width_cm=20, height_cm=20, weight_g=1500),
)
SUPPLY = InboundShipmentRequest(
    reference="S-1", storage_country="FR", lines=[ShipmentLine(quantity=1, seller_product_reference="P-1")]
)


@pytest.mark.parametrize(
    ("line", "other", "refused"),
    [
        ("weight_g", 'weight_g = "packagedWeight"', "packagedWeight: 1500 is in another unit than this field's"),
        ("length_cm", 'length_cm = "packagedLength"', "packagedLength: 20 is in another unit than this field's"),
        ("packaging", "", "packaging"),
        ("title", "", "title: is no member"),
        ("body", "", "$: the body must stand in products and nothing beside it"),
    ],
)
def test_a_product_that_is_not_said_as_the_dialect_says_it_is_refused(
    tmp_path: Path, line: str, other: str, refused: str
) -> None:
    contract = edited(tmp_path, line, other)
    with speaking(Tabled(C)) as api:
        with pytest.raises(BadRequestError) as caught:
            asked(api, lambda client: client.products.create([HEAVY]), contract)
        (results,) = api.refused
        assert results.startswith(refused)
        assert results.partition(":")[0] in str(caught.value)  # the error bears the API's name of the field
        assert api.sandbox.effects.products == {}


def test_a_required_member_that_only_a_person_could_fill_is_refused_while_it_is_open(tmp_path: Path) -> None:
    contract = edited(tmp_path, "warehouseCode")
    with speaking(Tabled(C)) as api:
        with pytest.raises(BadRequestError, match="warehouseCode"):
            asked(api, lambda client: client.inbound.create(SUPPLY), contract)
        assert api.refused == ["warehouseCode: is required"]


def test_our_own_words_are_refused_by_an_api_with_others() -> None:
    with speaking(Tabled(B)) as api:
        with pytest.raises(NotFoundError):
            asked(api, lambda client: client.outbound.create(order("O-1")))
        with pytest.raises(BadRequestError, match="limit"):
            asked(api, lambda client: client.stocks.list())
        assert api.refused == ["POST /seller/v2/outbound-shipments", "limit: is no parameter"]


def test_what_the_api_refuses_bears_its_names_and_what_is_refused_here_bears_ours(tmp_path: Path) -> None:
    contract = contract_of(B, tmp_path)
    with speaking(Tabled(B)) as api:
        with pytest.raises(BadRequestError, match="external_reference"):
            asked(api, lambda client: client.outbound.create(order("O" * 51)), contract)
        assert len(api.heard["outbound.create"]) == 1
        with pytest.raises(ValidationError, match=r"lines\[0\]\.quantity") as caught:
            asked(api, lambda client: client.outbound.create(order("O-1", quantity=0)), contract)
        assert "products" not in str(caught.value)
        assert len(api.heard["outbound.create"]) == 1
        assert api.refused == []
