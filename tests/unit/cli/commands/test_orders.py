"""``octoffm orders`` against a sandbox."""

from __future__ import annotations

import json

import pytest

from octoffm_async.cli.commands import orders_cancel
from octoffm_async.resources import polling as waiting
from octoffm_async.sandbox import Fault


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Looks follow each other closely."""
    monkeypatch.setattr(orders_cancel, "PAUSE", 0.01)
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.02)


def test_orders_are_listed(api):
    first = api.ordered("ORDER-1", quantity=3)
    api.sandbox.advance(60)
    second = api.ordered("ORDER-2")
    done = api.octoffm("orders", "list")
    assert done.code == 0
    assert {tuple(line.split()[:6]) for line in done.out.splitlines()[1:]} == {
        (first, "ORDER-1", "Shipped", "Valid", "FR", "3"),
        (second, "ORDER-2", "Created", "Valid", "FR", "1"),
    }
    rows = api.octoffm("orders", "list", "--status", "shipped", "--max-items", 1, "--json").rows
    assert [row["reference"] for row in rows] == ["ORDER-1"]
    assert api.octoffm("orders", "list", "--state", "Invalid").err == "octoffm: no shipping order matches\n"
    since = api.octoffm("orders", "show", second, "--json").rows[0]["status_updated_at"]
    assert [row["reference"] for row in api.octoffm("orders", "list", "--updated-since", since, "--json").rows] == [
        "ORDER-2"
    ]


def test_an_order_is_shown_by_id_and_by_reference(api):
    order = api.ordered("ORDER-1", quantity=3)
    api.sandbox.advance(60)
    done = api.octoffm("orders", "show", order)
    assert "to            Ada Lovelace, 1 rue de la Paix, 75002 Paris, FR" in done.out
    assert "status        Shipped" in done.out
    blocks = done.out.split("\n\n")
    assert blocks[1].splitlines()[1].split() == ["SKU-000001", "3"]
    assert blocks[2].splitlines()[0].split()[:3] == ["parcel", "carrier", "tracking"]
    (row,) = api.octoffm("orders", "show", "--reference", "ORDER-1", "--json").rows
    assert row["outbound_shipment_id"] == order
    assert row["parcels"][0]["lines"][0]["quantity"] == 3
    assert api.octoffm("orders", "show", "--reference", "ORDER-1").out == done.out


def test_a_reference_that_is_not_there_and_one_that_is_there_twice(api):
    none = api.octoffm("orders", "show", "--reference", "ORDER-1")
    assert (none.code, none.err) == (1, "octoffm: seller 12345 has no shipping order 'ORDER-1'\n")
    ids = [api.ordered("ORDER-1"), api.ordered("ORDER-1")]
    both = api.octoffm("orders", "show", "--reference", "ORDER-1", "--json")
    assert {row["outbound_shipment_id"] for row in both.rows} == set(ids)
    assert both.err == "octoffm: 2 shipping orders have the reference 'ORDER-1'\n"
    refused = api.octoffm("orders", "cancel", "--reference", "ORDER-1")
    assert refused.code == 2
    assert all(order in refused.err for order in ids)
    assert api.sandbox.effects.cancellations == {}
    late = api.octoffm("orders", "show", "--reference", "ORDER-1", "--since", "2100-01-01")
    assert (late.code, "among those that changed since then" in late.err) == (1, True)


@pytest.mark.parametrize("command", ["show", "cancel", "follow"])
@pytest.mark.parametrize("arguments", [[], ["ID", "--reference", "R"]], ids=["none", "both"])
def test_one_order_must_be_named(api, command, arguments):
    done = api.octoffm("orders", command, *arguments)
    assert done.code == 2
    assert "name one order: ID or --reference" in done.err


def test_an_order_is_cancelled(moving):
    order = moving.ordered("ORDER-1")
    dry = moving.octoffm("orders", "cancel", order, "--reason", "a mistake", "--dry-run")
    assert json.loads(dry.out) == {"outboundShipmentId": order, "reason": "a mistake"}
    assert moving.sandbox.effects.cancellations == {}
    done = moving.octoffm("orders", "cancel", "--reference", "ORDER-1", "--reason", "a mistake", "--wait", 5)
    assert done.code == 0
    assert done.out.splitlines()[0] == f"order    {order}"
    assert done.out.splitlines()[2] == "status   Accepted"
    assert moving.octoffm("orders", "show", order, "--json").rows[0]["status"] == "Cancelled"


def test_a_cancellation_that_is_not_decided_in_time_is_undecided(api):
    order = api.ordered("ORDER-1")
    done = api.octoffm("orders", "cancel", order, "--wait", 0.05, "--json")
    assert (done.code, done.rows[0]["status"]) == (3, "Pending")
    assert f"look again: octoffm orders show {order}" in done.err


def test_a_cancellation_that_comes_while_the_parcel_leaves_is_refused(moving):
    order = moving.ordered("ORDER-1")
    moving.sandbox.advance(29)
    done = moving.octoffm("orders", "cancel", order, "--wait", 5)
    assert done.code == 1
    assert (
        "the warehouse continues with the order" in done.err
        or "an order can be cancelled only before it is Shipped" in done.err
    )


def test_a_shipped_order_is_too_late_to_cancel(api):
    order = api.ordered("ORDER-1")
    api.sandbox.advance(60)
    done = api.octoffm("orders", "cancel", order)
    assert done.code == 1
    assert "is Shipped: it cannot be cancelled" in done.err
    assert "only before it is Shipped" in done.err.splitlines()[1]


def test_a_lost_answer_to_a_cancellation_is_undecided(api):
    order = api.ordered("ORDER-1")
    api.sandbox.next_fault(Fault.RESET_AFTER, operation="outbound.request_cancellation", times=10)
    done = api.octoffm("orders", "cancel", order)
    assert done.code == 3
    assert "OUTCOME UNKNOWN" in done.err


def test_an_order_is_followed_through_its_statuses(moving):
    order = moving.ordered("ORDER-1")
    done = moving.octoffm("orders", "follow", order, "--for", 5)
    assert done.code == 0
    statuses = [line.split()[2] for line in done.out.splitlines()]
    gone_through = ["Created", "Accepted", "InPreparation", "Shipped"]
    assert statuses in (gone_through, gone_through[1:])  # on a busy machine it is Accepted before the first look
    again = moving.octoffm("orders", "follow", "--reference", "ORDER-1", "--until", "accepted", "--json")
    assert (again.code, [row["status"] for row in again.rows]) == (0, ["Shipped"])


def test_an_order_that_is_refused_on_the_way_ends_the_wait(moving):
    order = moving.ordered("ORDER-1", product="NOBODY-KNOWS")
    done = moving.octoffm("orders", "follow", order, "--for", 5)
    assert done.code == 1
    assert [line.split()[2] for line in done.out.splitlines()] in (["Created", "Refused"], ["Refused"])
    assert "UnknownProduct" in done.out
    assert "register what is missing" in done.err


def test_an_order_that_takes_longer_is_still_on_its_way(api):
    order = api.ordered("ORDER-1")
    done = api.octoffm("orders", "follow", order, "--for", 0.1)
    assert done.code == 3
    assert "is Created and not yet Accepted" in done.err
    assert f"to see it later: octoffm orders show {order}" in done.err


def test_a_status_that_nobody_knows_cannot_be_waited_for(api):
    order = api.ordered("ORDER-1")
    done = api.octoffm("orders", "follow", order, "--until", "Vanished")
    assert done.code == 2
    assert "is not one of Created, Accepted" in done.err
