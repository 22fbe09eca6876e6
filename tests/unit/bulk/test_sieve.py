"""A chunk sorted out: what may be handled, and the outcomes of the rest."""

from __future__ import annotations

from octoffm_async import OutboundShipmentRequest, PayloadConflictError, Refused, Skipped
from octoffm_async.bulk.creations import CreateOrders
from octoffm_async.bulk.intake import sort_out
from octoffm_async.contract.operations import CREATE_OUTBOUND
from octoffm_async.disk.seen_keys import SeenKeys
from octoffm_async.resources.believing import IdVerifier
from octoffm_async.resources.outbound import check_shipment
from octoffm_async.session.seller_session import SellerSession
from octoffm_async.session.session import Result
from tests.support.items import fake, order


async def never(_: object) -> Result[str]:
    raise AssertionError


def creating_orders() -> CreateOrders[OutboundShipmentRequest]:
    client, _ = fake()
    id_verifier = IdVerifier(SellerSession(client.outbound._scope.session, "12345"), CREATE_OUTBOUND)
    return CreateOrders(send=never, check=check_shipment, id_verifier=id_verifier)


def test_wrong_ones_and_duplicates_get_their_outcome() -> None:
    seen = SeenKeys(fingerprints=creating_orders().fingerprints)
    job = creating_orders()
    chunk = [order("A"), order("B", quantity=0), order("A"), order("C")]
    some, outcomes = sort_out(chunk, job, seen)
    assert [item.reference for item in some] == ["A", "C"]
    assert [(type(outcome), outcome.key) for outcome in outcomes] == [(Refused, "B"), (Skipped, "A")]
    some, outcomes = sort_out([order("C"), order("D")], job, seen)
    assert [item.reference for item in some] == ["D"]
    assert [outcome.key for outcome in outcomes] == ["C"]
    seen.close()


def test_another_request_of_a_reference_that_came_before_is_refused() -> None:
    seen = SeenKeys(in_memory=1, fingerprints=creating_orders().fingerprints)
    job = creating_orders()
    chunk = [order("A"), order("B"), order("C"), order("A", quantity=2, city="Lyon"), order("B"), order("A")]
    some, outcomes = sort_out(chunk, job, seen)
    assert [item.reference for item in some] == ["A", "B", "C"]
    assert [(type(outcome), outcome.key) for outcome in outcomes] == [(Refused, "A"), (Skipped, "B"), (Skipped, "A")]
    error = outcomes[0].error if isinstance(outcomes[0], Refused) else None
    assert isinstance(error, PayloadConflictError)
    assert (error.key, error.fields) == ("A", ("lines", "delivery_address"))
    assert "Lyon" not in str(error)
    seen.close()
