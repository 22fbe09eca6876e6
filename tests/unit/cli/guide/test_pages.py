"""The guide keeps to its word: each block of each page runs, in order, against a sandbox."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.resources import files
from typing import Any

import pytest

from octoffm_async import DeliveryAddress, FulfillmentClient, OutboundShipmentRequest, ShipmentLine
from octoffm_async.cli.guide.pages import ORDER, read_page
from octoffm_async.cli.guide.site import anchor
from octoffm_async.sandbox import Fault, SandboxThread
from tests.support.guide import blocks_of
from tests.support.web import served

from .blocks import PageSession, check_command

SETTINGS: dict[str, dict[str, Any]] = {"nothing-twice": {"speed": 1}}
"""Settings of the sandbox that differ: elsewhere its hours take seconds."""


def order_of(number: int) -> OutboundShipmentRequest:
    address = DeliveryAddress(
        first_name="Jo", last_name="Roy", address_line1="1 quai B", postal_code="75011", city="Paris", country_code="FR"
    )
    return OutboundShipmentRequest(
        reference=f"ORDER-{number}",
        lines=[ShipmentLine(quantity=1, seller_product_reference="SKU-000001")],
        delivery_address=address,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


@pytest.fixture
def page(request, tmp_path, monkeypatch, capsys, _octoffm_loop) -> Iterator[tuple[str, PageSession]]:
    name = request.param
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    settings = {"catalogue": 20, "stock": 1000, "speed": 1000, **SETTINGS.get(name, {})}
    with SandboxThread(loop=_octoffm_loop, **settings) as sandbox:
        for variable, value in sandbox.environment().items():
            monkeypatch.setenv(variable, value)
        if name == "many-machines":
            monkeypatch.setenv("OCTOFFM_CLUSTER", request.getfixturevalue("postgres"))
        client = FulfillmentClient(sandbox.config())
        names = {
            "sandbox": sandbox,
            "client": client,
            "order": order_of(0),
            "orders": [order_of(number) for number in range(1, 11)],
        }
        session = PageSession(tmp_path, names, capsys)
        try:
            session.await_(client.open())
            yield read_page(name).text, session
        finally:
            session.await_(client.close())
            session.close()


@pytest.mark.parametrize("page", ORDER, indirect=True)
def test_each_block_of_a_page_runs(page: tuple[str, PageSession]) -> None:
    text, session = page
    given = session.names["sandbox"]
    for block in blocks_of(text):
        session.run(block)
    if "with_client" in session.names:
        session.await_(ask_the_backends(session.names))
    if session.names["sandbox"] is not given:  # that of the practice session
        session.names["sandbox"].__exit__(None, None, None)
    if "fulfillment" in session.names:
        call_from_threads(session.names)


async def ask_the_backends(names: dict[str, Any]) -> None:
    """Serve the applications of the page, as uvicorn does, and ask them."""
    body = order_of(77).to_dict()
    async with served(names["app"]) as session:
        for _ in range(2):
            async with session.post("/orders", json=body) as answer:
                assert answer.status == 201, await answer.text()
                ident = (await answer.json())["id"]
        async with session.get(f"/orders/{ident}") as answer:
            assert (await answer.json())["outbound_shipment_id"] == ident
        changed = body | {"delivery_mode": "RelayPoint"}
        async with session.get("/orders/none") as answer:
            assert answer.status == 404
        async with session.post("/orders", json=changed) as answer:
            assert answer.status == 409
        async with session.post("/orders", json={}) as answer:
            assert answer.status == 422
        names["sandbox"].next_fault(Fault.RESET_AFTER, operation="outbound.create")
        async with session.post("/orders", json=order_of(78).to_dict()) as answer:
            assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (202, True)
    assert names["sandbox"].effects.outbound["ORDER-77"] == 1

    async def view(scope: Any, receive: Any, send: Any) -> None:
        ident = await names["client"].outbound.create(order_of(79), journal=names["journal"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": ident.encode()})

    async with served(names["with_client"](view)) as session:
        for _ in range(2):
            async with session.get("/") as answer:
                assert answer.status == 200
    assert names["sandbox"].effects.outbound["ORDER-79"] == 1


def call_from_threads(names: dict[str, Any]) -> None:
    """Call what the page keeps for a process, from several threads at once, and close it."""
    fulfillment = sys.modules.pop("fulfillment")
    with closing(fulfillment), ThreadPoolExecutor(4) as threads:
        ids = set(threads.map(fulfillment.create_order, [order_of(80)] * 8))
        (stock, *_) = names["stocks"]
        assert fulfillment.get_stock(stock.id).gtin == stock.gtin
    assert len(ids) == names["sandbox"].effects.outbound["ORDER-80"] == 1
    assert sorted(names["ids"]) == sorted(order.reference for order in names["orders"])


def test_the_pages_are_those_of_the_folder() -> None:
    folder = files("octoffm_async") / "guide"
    assert sorted(ORDER) == sorted(file.name[:-3] for file in folder.iterdir() if file.name.endswith(".md"))


@pytest.mark.parametrize("name", ORDER)
def test_a_page_can_be_read_in_one_go(name: str) -> None:
    page = read_page(name)
    assert page.text.startswith("# ")
    assert page.text.count("\n") <= 200
    assert max(len(line) for line in page.text.splitlines() if not line.startswith(("Name,", "#1"))) <= 140
    assert 20 < len(page.summary) <= 100


@pytest.mark.parametrize("name", ORDER)
def test_a_page_tells_where_the_names_and_the_settings_that_it_needs_come_from(name: str) -> None:
    text = read_page(name).text
    blocks = [block for block in blocks_of(text) if not block.file.startswith(("test_", "conftest"))]
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    used, made = set[str](), {*dir(builtins)}
    python = "\n".join(block.text for block in blocks if block.language == "python")
    for node in ast.walk(compile(python, name, "exec", flags)):
        match node:
            case ast.Name(ident, ast.Load()):
                used.add(ident)
            case ast.Name(ident) | ast.arg(ident) | ast.MatchAs(name=str(ident)):
                made.add(ident)
            case ast.alias(path, as_name):
                made.add(as_name or path.partition(".")[0])
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
                made.add(str(node.name))
    assert used - made <= {"sandbox", "client", "order", "orders"}
    commands = any(
        block.language == "bash" and re.search("^octoffm (?!contract|guide)", block.text, re.MULTILINE)
        for block in blocks
    )
    assert not (commands or used - made) or "(first-order.md#practise)" in text or name == "first-order"


@pytest.mark.parametrize("name", ORDER)
def test_links_lead_to_pages_and_headings_that_exist(name: str) -> None:
    for target, heading in re.findall(r"\]\(([a-z-]+)\.md(?:#([a-z0-9-]+))?\)", read_page(name).text):
        assert target in ORDER
        anchors = {anchor(title) for title in re.findall(r"^#+ (.*)$", read_page(target).text, re.MULTILINE)}
        assert not heading or heading in anchors


@pytest.mark.parametrize("name", ORDER)
def test_commands_in_the_text_exist(name: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", read_page(name).text, flags=re.MULTILINE | re.DOTALL)
    for command in re.findall(r"`(octoffm [^`]+)`", prose):
        words = [word for word in command.replace("\n", " ").split() if word != "…"]
        check_command(words)
