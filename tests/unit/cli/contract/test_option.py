"""``--contract`` and ``--set extra.NAME=VALUE``: what is really sent, and what is refused before anything is."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.tabular.files import GOOD, ORDER_HEADER, order_row

from ..front import Front

ORDERS = ("--set", "delivery_mode=TrackedHomeDelivery", "--set", "storage_country=FR")
RENAMES = """
[fields.OutboundShipmentRequest]
delivery_address = "shippingAddress"
[fields.Stock]
product_id = "sku"
[fields.ReturnRequest]
comment = "remark"
[operations."outbound.create"]
body = { wrap = "order" }
[extra.OutboundShipmentRequest]
salesChannel = "CDISFR"
"""
WRONG = """
[fields.OutboundShipmentRequest]
deliveri_address = "shippingAddress"
[fields.Packaging]
weight_g = { name = "weight", scale = 0 }
"""


@pytest.fixture
def front(api, monkeypatch):
    """A server before the sandbox, whose names are those of the contract file ``c.toml``."""
    Path("c.toml").write_text(RENAMES)
    Path("orders.csv").write_text("\n".join([ORDER_HEADER, order_row("A-1", "SKU-000001"), ""]))
    with speaking(api, monkeypatch) as front:
        yield front


@contextmanager
def speaking(api, monkeypatch):
    def ask(body):
        order = body.get("order", body) if isinstance(body, dict) else body
        if isinstance(order, dict) and "shippingAddress" in order:
            order["deliveryAddress"] = order.pop("shippingAddress")
        return order

    def answer(value):
        for row in value.get("items", []) if isinstance(value, dict) else []:
            if "productId" in row and "quantities" in row:
                row["sku"] = row.pop("productId")
        return value

    with Front(api.sandbox) as front:
        front.requests, front.answers = ask, answer
        for name, text in front.environment().items():
            monkeypatch.setenv(name, text)
        yield front


def create(api, *more):
    return api.octoffm("orders", "create", "orders.csv", *ORDERS, "--rate", "off", *more)


@pytest.mark.parametrize("by", ["option", "variable", "file of variables"])
def test_requests_and_answers_go_through_the_contract_file(api, front, monkeypatch, by):
    named = {"option": ["--contract", "c.toml"], "file of variables": ["--env-file", ".env"]}.get(by, [])
    if by == "variable":
        monkeypatch.setenv("OCTOFFM_CONTRACT", "c.toml")
    Path(".env").write_text("OCTOFFM_CONTRACT=c.toml\n")
    done = create(api, *named)
    assert (done.code, done.err) == (0, "")
    (body,) = front.bodies("/outbound-shipments")
    assert list(body) == ["order"]
    assert body["order"]["shippingAddress"]["city"] == "Paris"
    assert body["order"]["salesChannel"] == "CDISFR"
    assert api.sandbox.effects.outbound["A-1"] == 1
    listed = api.octoffm("stocks", "list", "--json", *named)
    assert (listed.code, listed.err) == (0, "")
    assert all(row["product_id"] for row in listed.rows)
    without = api.octoffm("stocks", "list", "--json") if by != "variable" else None
    if without is not None:
        assert not any(row["product_id"] for row in without.rows)
        assert "differed from the contract" in without.err


def test_a_dry_run_shows_bodies_under_the_names_of_the_contract_file(api, front):
    done = create(api, "--dry-run", "--contract", "c.toml", "--json", "--set", "extra.note=hello")
    (body,) = done.rows[-1]["would_send"]
    assert body["order"]["shippingAddress"]["city"] == "Paris"
    assert (body["order"]["salesChannel"], body["order"]["note"]) == ("CDISFR", "hello")
    assert front.taken == []
    fields = ("returns", "create", "--order", "S-1", "--reason", "Damaged", "--line", "SKU-000001=1", "--comment", "x")
    done = api.octoffm(*fields, "--dry-run", "--contract", "c.toml", "--set", "extra.channel=3")
    (body,) = done.rows
    assert (body["remark"], body["channel"], "comment" in body) == ("x", 3, False)


COMMANDS = [
    ("stocks", "list"),
    ("auth", "check"),
    ("orders", "create", "orders.csv", *ORDERS),
    ("orders", "create", "orders.csv", *ORDERS, "--dry-run"),
    ("stocks", "lookup", "orders.csv"),
    ("returns", "create", "--order", "S-1", "--reason", "Damaged", "--line", "SKU-000001=1"),
    ("cluster", "submit", "orders", "create", "orders.csv", *ORDERS, "--cluster", "postgresql://nobody@127.0.0.1:1/x"),
    ("cluster", "submit", "orders", "create", "orders.csv", *ORDERS, "--cluster", "postgresql://x/x", "--dry-run"),
    ("cluster", "worker", "--cluster", "postgresql://nobody@127.0.0.1:1/x"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:3]))
def test_a_wrong_contract_file_is_refused_at_the_start_with_its_lines(api, front, command):
    if command[0] == "cluster":
        pytest.importorskip("procrastinate")
    Path("wrong.toml").write_text(WRONG)
    done = api.octoffm(*command, "--contract", "wrong.toml")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "wrong.toml" in done.err
    assert "line 3: " in done.err
    assert "delivery_address" in done.err
    assert "line 5: " in done.err
    gone = api.octoffm(*command, "--contract", "gone.toml")
    assert (gone.code, gone.err.count("\n")) == (2, 1)
    assert front.taken == []
    assert sorted(path.name for path in api.folder.iterdir()) == ["c.toml", "orders.csv", "wrong.toml"]


def test_a_resumed_run_is_given_the_contract_file_too(api, front):
    assert create(api, "--contract", "c.toml").code == 0
    run = api.octoffm("jobs", "list", "--journal", "orders.journal", "--json").rows[0]["run"]
    Path("wrong.toml").write_text(WRONG)
    done = api.octoffm("jobs", "resume", run, "--journal", "orders.journal", "--contract", "wrong.toml")
    assert done.code == 2
    assert "line 3: " in done.err
    assert api.octoffm("jobs", "resume", run, "--journal", "orders.journal", "--contract", "c.toml").code == 0


def test_extra_members_are_sent_as_they_stand(api, front):
    header, row = ORDER_HEADER + ",gift", order_row("A-1", "SKU-000001") + ",red"
    Path("orders.csv").write_text(f"{header}\n{row}\n")
    given = ("--set", "extra.channel=CDISFR", "--set", 'extra.tags=["a", null]', "--map", "extra.giftWrap=gift")
    assert create(api, *given, "--save-mapping", "m.toml").code == 0
    (body,) = front.bodies("/outbound-shipments")
    assert (body["channel"], body["tags"], body["giftWrap"]) == ("CDISFR", ["a", None], "red")
    assert body["reference"] == "A-1"
    Path("orders.csv").write_text(f"{header}\n{row.replace('A-1', 'A-2')}\n")
    assert api.octoffm("orders", "create", "orders.csv", "--mapping", "m.toml", "--rate", "off").code == 0
    (_, again) = front.bodies("/outbound-shipments")
    assert {name: again[name] for name in ("channel", "tags", "giftWrap")} == {
        name: body[name] for name in ("channel", "tags", "giftWrap")
    }


def test_extra_members_belong_to_what_the_journal_knows_of_an_order(api, front):
    assert create(api, "--set", "extra.channel=1", "--set", "extra.note=x").code == 0
    same = create(api, "--set", "extra.note=x", "--set", "extra.channel=1", "--json")
    assert (same.code, same.rows[-1]["counts"]["already"]) == (0, 1)
    for other in (("--set", "extra.channel=2", "--set", "extra.note=x"), ("--set", "extra.channel=1"), ()):
        done = create(api, *other, "--json")
        assert (done.code, done.rows[0]["code"]) == (1, "PayloadChanged")
    assert len(front.bodies("/outbound-shipments")) == 1


def test_products_and_supply_orders_take_extra_members(api, front):
    Path("p.csv").write_text(f"gtin,title\n{GOOD},Pen\n")
    done = api.octoffm("products", "create", "p.csv", "--set", "extra.brand=7", "--rate", "off")
    assert (done.code, front.bodies("/fulfillment-products")[0][0]["brand"]) == (0, 7)
    shown = api.octoffm("products", "create", "p.csv", "--set", "extra.brand=7", "--dry-run", "--json")
    assert (shown.rows[-1]["would_send"][0]["brand"], "extra" in shown.rows[-1]["would_send"][0]) == (7, False)
    Path("i.csv").write_text("reference,storage_country,seller_product_reference,quantity\nI-1,FR,SKU-000001,5\n")
    done = api.octoffm("inbound", "create", "i.csv", "--set", "extra.dock=A", "--rate", "off")
    assert (done.code, front.bodies("/inbound-shipments")[0]["dock"]) == (0, "A")


def test_single_items_take_extra_members(api, front):
    order = api.ordered("A-1")
    done = api.octoffm("orders", "cancel", order, "--wait", "0", "--set", "extra.urgent=true")
    assert done.code == 3
    (body,) = front.bodies("/outbound-cancellation-requests")
    assert (body["urgent"], body["outboundShipmentId"]) == (True, order)
    fields = ("--order", order, "--reason", "Damaged", "--line", "SKU-000001=1", "--set", "extra.box=B")
    api.octoffm("returns", "create", *fields)  # not shipped yet: the sandbox may refuse it
    assert front.bodies("/returns")[0]["box"] == "B"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("extra.reference=X", "field reference"),
        ("extra.delivery-address=X", "field delivery_address"),
        ("extra.a.b=X", "as JSON, such as extra.a="),
        ("extra.shippingAddress={}", "the contract file sends the field delivery_address under that name"),
    ],
)
def test_a_name_of_a_field_is_no_extra_member(api, front, given, message):
    done = create(api, "--set", given, "--contract", "c.toml")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert message in done.err
    assert front.taken == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("comment=X", "'comment' is not extra.NAME"),
        ("extra.reason=X", "field reason"),
        ("extra.remark=X", "the contract file sends the field comment under that name"),
        ("extra.x", "is not FIELD="),
    ],
)
def test_a_wrong_extra_member_of_a_single_item_is_refused(api, front, given, message):
    fields = ("--order", "S-1", "--reason", "Damaged", "--line", "SKU-000001=1", "--contract", "c.toml")
    done = api.octoffm("returns", "create", *fields, "--set", given)
    assert done.code == 2
    assert message in done.err
    assert front.taken == []


def test_the_help_names_both_options(api):
    for command in (("orders", "create"), ("stocks", "list"), ("jobs", "resume"), ("cluster", "worker")):
        said = api.octoffm(*command, "--help").out
        assert "--contract FILE" in said
        assert "--drift FILE" in said


def test_text_that_looks_like_a_number_is_kept_as_text(api, front):
    assert create(api, "--set", 'extra.code="007"', "--set", "extra.other=007").code == 0
    (body,) = front.bodies("/outbound-shipments")
    assert json.dumps([body["code"], body["other"]]) == '["007", "007"]'
