"""The token endpoint in trouble: lives of every form, pages of firewalls, and tokens that are dead on arrival."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from octoffm_async import (
    AuthenticationError,
    CallError,
    CredentialsRefusedError,
    FulfillmentClient,
    Limit,
    UnusableAnswerError,
)
from octoffm_async.auth.renewal import PASSING_FOR, PASSING_MOST
from octoffm_async.auth.source import DEAD_MOST, RECHECK_SECONDS
from octoffm_async.session.decoding.tokens import UNSTATED_LIFE
from octoffm_async.transport.response import Response
from tests.support.fakes import FakeTransport, Sent, answer, config
from tests.support.items import order

pytestmark = pytest.mark.virtual_time

COUNT = answer(200, b"7")


def client_of(transport: FakeTransport, **settings: Any) -> FulfillmentClient:
    return FulfillmentClient(config(**settings), transport=transport, hooks=())


def token(expires_in: str | None, **more: Any) -> bytes:
    """The JSON of a token, its life as it is written here."""
    given = json.dumps({"access_token": "token", "token_type": "Bearer"} | more)
    return given.encode() if expires_in is None else f'{given[:-1]}, "expires_in": {expires_in}}}'.encode()


LIVES = {
    "3600": 3600.0,
    "3599.5": 3599.5,
    '"3599"': 3599.0,
    '" 3599 "': 3599.0,
    '"3599.5"': 3599.5,
    "3.6e3": 3600.0,
    "1000000000000": 86_400.0,
    None: UNSTATED_LIFE,
    "null": UNSTATED_LIFE,
    '""': UNSTATED_LIFE,
    "1e400": UNSTATED_LIFE,
    '"NaN"': UNSTATED_LIFE,
    '"Infinity"': UNSTATED_LIFE,
    '"2026-12-01T00:00:00Z"': UNSTATED_LIFE,
    '"one hour"': UNSTATED_LIFE,
    "true": UNSTATED_LIFE,
    "[3600]": UNSTATED_LIFE,
    '{"seconds": 3600}': UNSTATED_LIFE,
}


@pytest.mark.parametrize("stated", LIVES)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_a_life_in_any_form_is_used_and_an_unreadable_one_is_short(stated: str | None, mark: bytes) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    transport.token_script = lambda sent: answer(200, mark + token(stated))
    async with client_of(transport) as client:
        life = LIVES[stated]
        assert await client.outbound.count() == 7
        assert await client.check() == pytest.approx(life - min(60, life / 10), abs=0.1)
        assert len(transport.token_calls) == 1
        await asyncio.sleep(life)
        assert await client.outbound.count() == 7
        assert len(transport.token_calls) == 2
        assert client.stats().drift == (life == UNSTATED_LIFE)  # it is told once


@pytest.mark.parametrize("stated", ["0", "-1", '"0"', '"-3600"', "-1e300", "-0.0"])
async def test_a_life_that_is_over_is_named(stated: str) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    transport.token_script = lambda sent: answer(200, token(stated))
    async with client_of(transport) as client:
        with pytest.raises(UnusableAnswerError, match="expires_in"):
            await client.outbound.count()
    assert len(transport.token_calls) == 1


@pytest.mark.parametrize("around", ["", "\n", " ", "\r\n", "\t"])
async def test_blanks_around_a_token_are_not_sent(around: str) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    transport.token_script = lambda sent: answer(200, token("3600", access_token=f"{around}abc{around}"))
    async with client_of(transport) as client:
        assert await client.outbound.count() == 7
    assert {sent.headers["Authorization"] for sent in transport.sent} == {"Bearer abc"}


@pytest.mark.parametrize("secret", ["abc\r\nX-Evil: 1", "abc\0", "ab\x1bc", "abc\u00e9", "a\u200bbc"])
async def test_a_token_that_cannot_be_sent_is_no_fault_of_the_settings(secret: str) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    transport.token_script = lambda sent: answer(200, token("3600", access_token=secret))
    async with client_of(transport) as client:
        with pytest.raises(UnusableAnswerError, match="a token with a sign that cannot be sent") as caught:
            await client.outbound.count()
    assert secret not in str(caught.value)
    assert not transport.sent


@pytest.mark.parametrize("scheme", [None, "bearer", "BEARER", "DPoP"])
async def test_the_scheme_of_a_token_may_be_spelled_in_any_way(scheme: str | None) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    transport.token_script = lambda sent: answer(200, token("3600", token_type=scheme))
    async with client_of(transport) as client:
        assert await client.outbound.count() == 7


PAGE = b"<!DOCTYPE html><html><head><title>Request blocked</title></head></html>"
PASSING = {
    "403, a page": answer(403, PAGE),
    "403, empty": answer(403),
    "403, JSON of a gateway": answer(403, {"message": "Forbidden"}),
    "403, JSON with an error": answer(403, {"error": "Forbidden", "status": 403}),
    "403, a problem": answer(403, {"title": "Access denied", "status": 403}),
    "403, text": answer(403, b"error code: 1020"),
    "400, a page": answer(400, PAGE),
    "400, empty": answer(400),
    "400, an array": answer(400, ["invalid_client"]),
    "401, a page": answer(401, PAGE),
    "200, a page": answer(200, PAGE),
    "200, a page behind a mark": answer(200, b"\xef\xbb\xbf\r\n" + PAGE),
    "200, empty": answer(200, b""),
    "204": answer(204),
    "503, a page": answer(503, PAGE),
}
REFUSING = {
    "401, OAuth": answer(401, {"error": "invalid_client"}),
    "400, OAuth": answer(400, {"error": "invalid_client", "error_description": "no"}),
    "400, another": answer(400, {"error": "unauthorized_client"}),
    "400, of the grant": answer(400, {"error": "unsupported_grant_type"}),
    "403, OAuth": answer(403, {"error": "access_denied"}),
    "401, a problem": answer(401, {"title": "Unauthorized"}),
    "401, empty": answer(401),
}


@pytest.mark.parametrize("given", PASSING.values(), ids=PASSING.keys())
async def test_what_a_firewall_answers_passes(given: Response) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    good = transport.token_script
    transport.token_script = lambda sent: given if len(transport.token_calls) == 1 else good(sent)
    async with client_of(transport) as client:
        assert await client.outbound.count() == 7
        assert len(transport.token_calls) == 2


@pytest.mark.parametrize("given", PASSING.values(), ids=PASSING.keys())
async def test_what_a_firewall_answers_is_not_told_as_wrong_credentials_and_is_forgotten(given: Response) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    good = transport.token_script
    transport.token_script = lambda sent: given
    async with client_of(transport, max_attempts=2) as client:
        with pytest.raises(CallError) as caught:
            await client.outbound.count()
        assert not isinstance(caught.value, CredentialsRefusedError)
        assert caught.value.retryable
        assert "client_secret" not in str(caught.value)
        assert len(transport.token_calls) == 2
        transport.token_script = good
        assert await client.outbound.count() == 7


@pytest.mark.parametrize("given", REFUSING.values(), ids=REFUSING.keys())
async def test_an_oauth_error_is_a_refusal(given: Response) -> None:
    transport = FakeTransport(lambda sent: COUNT)
    transport.token_script = lambda sent: given
    async with client_of(transport) as client:
        for _ in range(3):
            with pytest.raises(CredentialsRefusedError, match="check client_id and client_secret"):
                await client.outbound.count()
    assert len(transport.token_calls) == 1


async def test_a_bulk_run_waits_until_a_firewall_lets_it_through() -> None:
    def created(sent: Sent) -> Response:
        return answer(201, {"outboundShipmentId": f"S-{json.loads(sent.body or b'')['reference']}"})

    transport = FakeTransport(created)
    good = transport.token_script
    begun = asyncio.get_running_loop().time()

    def script(sent: Sent) -> Any:
        return good(sent) if sent.at > begun + 100 else answer(403, PAGE)

    transport.token_script = script
    async with client_of(transport) as client:
        async with client.bulk.create_outbound([order(f"O-{n}") for n in range(20)]) as run:
            kinds = [type(outcome).__name__ async for outcome in run]
    assert kinds == ["Created"] * 20
    assert len(transport.token_calls) < 60


async def test_a_firewall_that_stays_is_not_waited_for_longer_than_its_limit() -> None:
    transport = FakeTransport(lambda sent: COUNT)
    good = transport.token_script
    transport.token_script = lambda sent: answer(403, PAGE)
    now = asyncio.get_running_loop().time
    async with client_of(transport) as client:
        begun = now()
        async with client.bulk.create_outbound([order(f"O-{n}") for n in range(200)]) as run:
            outcomes = [outcome async for outcome in run]
        assert {type(outcome).__name__ for outcome in outcomes} == {"Failed"}
        assert PASSING_FOR <= now() - begun < 2 * PASSING_FOR
        calls = len(transport.token_calls)
        assert PASSING_MOST <= calls < 300
        for _ in range(1000):
            with pytest.raises(CallError, match=r"for .* s there was no other answer") as caught:
                await client.outbound.count()
            assert not caught.value.retryable
        assert len(transport.token_calls) <= calls + 10
        transport.token_script = good
        await asyncio.sleep(RECHECK_SECONDS + 1)
        assert await client.outbound.count() == 7


# Tokens that are dead on arrival


async def test_tokens_that_the_api_never_accepts_are_not_asked_for_again_and_again() -> None:
    transport = FakeTransport(lambda sent: answer(401))
    async with client_of(transport) as client:
        for _ in range(1000):
            with pytest.raises(AuthenticationError):
                await client.outbound.count()
            await asyncio.sleep(0.01)
        assert len(transport.token_calls) <= 6
        await asyncio.sleep(600)
        transport.script = lambda sent: COUNT if sent.headers["Authorization"] != "Bearer token-6" else answer(401)
        assert await client.outbound.count() == 7


async def test_one_seller_whose_calls_are_refused_takes_no_token_from_the_others() -> None:
    transport = FakeTransport(lambda sent: answer(401) if sent.headers["SellerId"] == "9" else COUNT)
    async with client_of(transport) as client:
        for _ in range(300):
            with pytest.raises(AuthenticationError):
                await client.seller("9").outbound.count()
            assert await client.outbound.count() == 7
    assert len(transport.token_calls) <= 30


async def test_a_token_that_is_revoked_is_replaced_each_time() -> None:
    transport = FakeTransport()
    revoked: set[str] = set()
    transport.script = lambda sent: answer(401) if sent.headers["Authorization"] in revoked else COUNT
    async with client_of(transport) as client:
        for _ in range(30):
            assert await client.outbound.count() == 7
            revoked.add(transport.sent[-1].headers["Authorization"])
            await asyncio.sleep(60)
    assert len(transport.token_calls) == 30


async def test_a_token_is_replaced_although_many_were_revoked_lately() -> None:
    transport = FakeTransport()
    revoked: set[str] = set()
    transport.script = lambda sent: answer(401) if sent.headers["Authorization"] in revoked else COUNT
    async with client_of(transport) as client:
        refused = 0
        for _ in range(40):
            for _ in range(5):
                try:
                    assert await client.outbound.count() == 7
                except AuthenticationError:
                    refused += 1
            revoked.add(transport.sent[-1].headers["Authorization"])
            await asyncio.sleep(2)
    assert len(transport.token_calls) >= 30
    assert refused <= 2 * 40


async def test_tokens_that_arrive_after_their_end_make_a_bounded_number_of_calls() -> None:
    transport = FakeTransport(lambda sent: COUNT, latency=2.0, token_life=1.0)
    async with client_of(transport, deadline=600.0) as client:
        for _ in range(3):
            with pytest.raises(UnusableAnswerError, match="expires_in"):
                await client.outbound.count()
        assert len(transport.token_calls) == DEAD_MOST
        await asyncio.sleep(RECHECK_SECONDS + 1)
        transport.token_life = 3600.0
        assert await client.outbound.count() == 7


async def test_tokens_that_end_while_a_call_waits_for_its_permit_make_a_bounded_number_of_calls() -> None:
    transport = FakeTransport(lambda sent: COUNT, latency=0.001, token_life=0.5)
    async with client_of(transport, limit=Limit(1, per=10.0), deadline=3600.0) as client:
        assert await client.outbound.count() == 7
        with pytest.raises(UnusableAnswerError, match="expires_in"):
            await client.outbound.count()
    assert len(transport.token_calls) <= 15
