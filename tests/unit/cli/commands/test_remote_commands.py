"""``octoffm auth``, ``products``, ``inbound`` and ``returns`` against a sandbox."""

from __future__ import annotations

import errno
import json
import os

import pytest

from octoffm_async import InboundShipmentRequest, ShipmentLine
from octoffm_async.cli.commands import auth
from octoffm_async.cli.commands.products import exit_code_of_product
from octoffm_async.cli.errors import ExitCode
from octoffm_async.cli.output import span
from octoffm_async.contract.products import ProductResult, RegistrationStatus
from octoffm_async.sandbox import Fault

from ..remote import Api

SERVICES = ["products", "inbound", "stocks", "orders", "returns"]


def supplied(api: Api, reference: str, *, country: str = "FR") -> str:
    """A supply order; its id."""
    line = ShipmentLine(quantity=5, seller_product_reference="SKU-000001")
    request = InboundShipmentRequest(reference=reference, storage_country=country, lines=[line])
    return api.do(lambda client: client.inbound.create(request))


def shipped(api: Api, reference: str) -> str:
    """A shipping order that has left the warehouse; its id."""
    order_id = api.ordered(reference, quantity=2)
    api.sandbox.advance(60)
    return order_id


def test_auth_check_reports_token_seller_and_reach(api):
    done = api.octoffm("auth", "check")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "token   valid for 1 h 59 min"
    assert f"seller  {api.sandbox.seller_id}" in lines
    assert [line.split() for line in lines[-5:]] == [[service, "yes"] for service in SERVICES]
    assert "sandbox-secret" not in done.out


def test_auth_check_as_json(api):
    (row,) = api.octoffm("auth", "check", "--json").rows
    assert row["seller"] == api.sandbox.seller_id
    assert 7000 < row["token_seconds"] <= 7200
    assert row["reach"] == dict.fromkeys(SERVICES, True)
    assert row["errors"] == {}


def test_auth_check_names_what_cannot_be_reached(api):
    api.sandbox.next_fault(Fault.HTML_200, operation="returns.list")
    done = api.octoffm("auth", "check")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("returns   the answer (200, text/html")
    assert "a proxy, a firewall or a login page" in done.err


def test_a_clock_that_is_wrong_is_reported():
    assert auth._clock(-7300.0) == (
        "2 h 1 min behind the API's: correct it, else times in filters are wrong by as much"
    )
    assert auth._clock(7300.0).startswith("2 h 1 min ahead of the API's")
    assert auth._clock(20.0) == "agrees with the API's"
    assert auth._clock(None) == ""


def test_a_sandbox_an_hour_ahead_is_seen_by_auth_check(api):
    api.sandbox.advance(3600)
    (row,) = api.octoffm("auth", "check", "--json").rows
    assert -3660 < row["clock_ahead_seconds"] < -3500


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (7140, "1 h 59 min"), (200000, "2 days 7 h"), (-1, "0 s")],
)
def test_spans_are_reported_in_two_units_at_most(seconds, text):
    assert span(seconds) == text


def test_references_are_listed(api):
    done = api.octoffm("products", "references", "--max-items", 2)
    lines = done.out.splitlines()
    assert (done.code, len(lines)) == (0, 3)
    assert lines[0].split()[:3] == ["reference", "gtin", "condition"]
    assert [line.split()[0] for line in lines[1:]] == ["SKU-000001", "SKU-000002"]
    rows = api.octoffm("products", "references", "--json").rows
    assert [row["seller_product_reference"] for row in rows] == ["SKU-000001", "SKU-000002", "SKU-000003"]
    assert all(row["stock_id"] and row["product_condition"] == "New" for row in rows)


def test_a_reference_is_added(api):
    gtin = api.octoffm("products", "references", "--json").rows[0]["gtin"]
    command = ("products", "add-reference", "--gtin", gtin, "--condition", "likenew", "--reference")
    dry = api.octoffm(*command, "USED-1", "--dry-run")
    assert json.loads(dry.out) == [{"gtin": gtin, "sellerProductReference": "USED-1", "productCondition": "LikeNew"}]
    assert "nothing was sent" in dry.err
    assert len(api.octoffm("products", "references", "--json").rows) == 3
    done = api.octoffm(*command, "USED-1", "--json")
    assert (done.code, done.rows[0]["status"]) == (0, "Accepted")
    again = api.octoffm("products", "add-reference", "--gtin", gtin, "--reference", "OTHER")
    assert again.code == 1
    assert "status     Refused" in again.out


def test_what_the_api_says_of_a_product_is_the_exit_code():
    codes = {"Accepted": ExitCode.DONE, "Refused": ExitCode.REFUSED, "Unconfirmed": ExitCode.UNDECIDED}
    for status, code in codes.items():
        result = ProductResult(seller_product_reference="P", status=RegistrationStatus(status))
        assert exit_code_of_product(result) is code


def test_a_wrong_gtin_is_not_sent_and_taught(api):
    done = api.octoffm("products", "add-reference", "--gtin", "4006381333932", "--reference", "X", "--dry-run")
    assert done.code == 2
    assert "the last one is computed from the others" in done.err


def test_supply_orders_are_listed_and_shown(api):
    first, second = supplied(api, "SUP-1"), supplied(api, "SUP-2", country="ES")
    done = api.octoffm("inbound", "list")
    assert [line.split()[:4] for line in done.out.splitlines()[1:]] == [
        [first, "SUP-1", "Created", "FR"],
        [second, "SUP-2", "Created", "ES"],
    ]
    assert [row["reference"] for row in api.octoffm("inbound", "list", "--country", "es", "--json").rows] == ["SUP-2"]
    none = api.octoffm("inbound", "list", "--status", "received")
    assert (none.code, none.out, none.err) == (0, "", "octoffm: no supply order matches\n")
    shown = api.octoffm("inbound", "show", first)
    assert "reference  SUP-1" in shown.out
    assert shown.out.splitlines()[-1].split() == ["SKU-000001", "5", "0", "0"]
    (row,) = api.octoffm("inbound", "show", first, "--json").rows
    assert (row["inbound_shipment_id"], row["lines"][0]["quantity"]) == (first, 5)


def test_times_narrow_a_list_down(api):
    supplied(api, "OLD")
    api.sandbox.advance(7200)
    supplied(api, "NEW")
    listed = api.octoffm("inbound", "list", "--json").rows
    middle = listed[1]["created_at"]
    rows = api.octoffm("inbound", "list", "--created-since", middle, "--json").rows
    assert [row["reference"] for row in rows] == ["NEW"]
    rows = api.octoffm("inbound", "list", "--created-until", listed[0]["created_at"], "--json").rows
    assert [row["reference"] for row in rows] == ["OLD"]
    wrong = api.octoffm("inbound", "list", "--created-since", "1h", "--created-until", "2h")
    assert wrong.code == 2
    assert "is after created_at_max" in wrong.err


def test_a_delivery_note_is_written(api):
    order = supplied(api, "SUP-1")
    early = api.octoffm("inbound", "delivery-note", order, "-o", "note.pdf")
    assert early.code == 1
    assert "a delivery note exists from Accepted on" in early.err
    assert not (api.folder / "note.pdf").exists()
    api.sandbox.advance(5)
    done = api.octoffm("inbound", "delivery-note", order, "-o", "note.pdf")
    content = (api.folder / "note.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert done.out == f"note.pdf: application/pdf, {len(content):,} bytes\n"
    (row,) = api.octoffm("inbound", "delivery-note", order, "--json").rows
    assert (api.folder / row["file"]).read_bytes() == content
    taken = api.octoffm("inbound", "delivery-note", order)
    assert (taken.code, "exists already: name the file with -o" in taken.err) == (2, True)
    nowhere = api.octoffm("inbound", "delivery-note", order, "-o", "no/such/folder.pdf")
    assert (nowhere.code, f"cannot write no/such/folder.pdf: {os.strerror(errno.ENOENT)}" in nowhere.err) == (2, True)
    assert not list(api.folder.glob("*.part"))


def test_a_return_is_announced_listed_shown_and_labelled(api):
    order = shipped(api, "ORDER-1")
    command = ("returns", "create", "--order", order, "--reason", "retraction", "--line", "SKU-000001=2")
    dry = api.octoffm(*command, "--dry-run")
    assert json.loads(dry.out) == {
        "reason": "Retraction",
        "lines": [{"quantity": 2, "sellerProductReference": "SKU-000001"}],
        "outboundShipmentId": order,
    }
    assert api.octoffm("returns", "list").err == "octoffm: no return matches\n"
    done = api.octoffm(*command, "--comment", "too small")
    return_id = done.out.strip()
    assert done.code == 0
    listed = api.octoffm("returns", "list", "--type", "customer", "--status", "created")
    assert listed.out.splitlines()[1].split()[:5] == [return_id, "Customer", "Created", "Retraction", order]
    (row,) = api.octoffm("returns", "list", "--json").rows
    assert (row["return_id"], row["comment"]) == (return_id, "too small")
    shown = api.octoffm("returns", "show", return_id)
    assert "comment    too small" in shown.out
    assert shown.out.splitlines()[-1].split() == ["SKU-000001", "2", "0"]
    assert api.octoffm("returns", "show", return_id, "--json").rows[0]["lines"][0]["quantity"] == 2
    api.sandbox.advance(60)
    label = api.octoffm("returns", "label", return_id, "-o", "label.pdf", "--json")
    assert label.rows == [
        {
            "id": return_id,
            "file": "label.pdf",
            "media_type": "application/pdf",
            "bytes": (api.folder / "label.pdf").stat().st_size,
        }
    ]


def test_a_return_as_json_gives_its_id(api):
    shipped(api, "ORDER-1")
    command = ("returns", "create", "--reference", "ORDER-1", "--reason", "Damaged", "--line", "SKU-000001")
    (row,) = api.octoffm(*command, "--json").rows
    assert api.octoffm("returns", "show", row["return_id"], "--json").rows[0]["lines"][0]["quantity"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--line", "A=2", "--reason", "Damaged"], "name the order that comes back: --order or --reference"),
        (["--order", "1", "--line", "A=0", "--reason", "Damaged"], "'A=0' is not REF=QUANTITY"),
        (["--order", "1", "--line", "=2", "--reason", "Damaged"], "'=2' is not REF=QUANTITY"),
        (["--order", "1", "--line", "A=x", "--reason", "Damaged"], "'A=x' is not REF=QUANTITY"),
        (["--order", "1", "--reason", "Damaged"], "--line"),
    ],
)
def test_wrong_returns_are_named(api, arguments, message):
    done = api.octoffm("returns", "create", *arguments)
    assert done.code == 2
    assert message in done.err


def test_an_answer_that_is_lost_leaves_a_return_undecided(api):
    order = shipped(api, "ORDER-1")
    api.sandbox.next_fault(Fault.RESET_AFTER, operation="returns.create", times=10)
    done = api.octoffm("returns", "create", "--order", order, "--reason", "Damaged", "--line", "SKU-000001")
    assert done.code == 3
    assert "Look before you repeat it" in done.err
    assert len(api.octoffm("returns", "list", "--json").rows) == 1


def test_another_seller_is_acted_for(api):
    supplied(api, "SUP-1")
    assert api.octoffm("inbound", "list", "--seller", "98980", "--json").rows == []
    env_file = api.folder / "other.env"
    env_file.write_text("OCTOFFM_SELLER_ID=98980\n")
    assert api.octoffm("inbound", "list", "--env-file", env_file, "--json").rows == []
    assert len(api.octoffm("inbound", "list", "--env-file", env_file, "--seller", "12345", "--json").rows) == 1


def test_a_value_that_this_version_does_not_know_is_asked_for_with_a_warning(api):
    done = api.octoffm("inbound", "list", "--status", "Teleported")
    assert "'Teleported' is not one of Created, Accepted" in done.err
