"""Tokens: client credentials, a quota, an end that comes in time or early."""

from random import Random

import pytest

from octoffm_async.sandbox import Fault, Tokens
from octoffm_async.sandbox.http.responses import ProblemError

from ..api import Api
from ..conftest import Serve

FORM = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}


class Hand:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def tokens(hand: Hand, *, life: float = 100.0, quota: int = 3) -> Tokens:
    return Tokens(rng=Random(1), client_id="id", client_secret="secret", life=life, quota=quota, monotonic=hand)


def granted(store: Tokens) -> str:
    body = store.grant(FORM).body
    return body.split(b'"access_token":"')[1].split(b'"')[0].decode()


def test_a_token_lives_as_long_as_it_was_promised() -> None:
    hand = Hand()
    store = tokens(hand)
    token = granted(store)
    hand.at = 99.9
    assert store.valid(token)
    hand.at = 100.0
    assert not store.valid(token)


def test_tokens_can_end_early_all_or_one() -> None:
    store = tokens(Hand())
    first, second = granted(store), granted(store)
    store.invalidate(first)
    assert (store.valid(first), store.valid(second)) == (False, True)
    store.expire_now()
    assert not store.valid(second)


def test_the_quota_holds_in_a_rolling_hour() -> None:
    hand = Hand()
    store = tokens(hand)
    for hand.at in (0.0, 1800.0, 3000.0):
        granted(store)
    hand.at = 3599.0
    with pytest.raises(ProblemError) as refused:
        store.grant(FORM)
    assert refused.value.status == 429
    hand.at = 3600.0
    granted(store)
    assert list(store.issued) == [0.0, 1800.0, 3000.0, 3600.0]
    assert (store.requests, store.refused) == (5, 1)


def test_a_life_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="token_life = 0"):
        tokens(Hand(), life=0)


async def test_a_token_opens_the_api_and_says_its_life(serve: Serve) -> None:
    api = await serve(token_life=300.0)
    answer = await api.ask_token()
    assert answer.status == 200
    assert answer.json["expires_in"] == 300
    assert answer.json["token_type"] == "Bearer"
    opened = api.with_headers(**{**api.headers, "Authorization": f"bearer {answer.json['access_token']}"})
    assert (await opened.get("/stock-seller-references")).status == 200


async def test_a_life_may_be_a_part_of_a_second(serve: Serve) -> None:
    api = await serve(token_life=0.25)
    assert (await api.ask_token()).json["expires_in"] == 0.25


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "unauthorized_client"),
        ({"client_id": "somebody"}, 401, "unauthorized_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_refused_in_keycloaks_words(
    api: Api, form: dict[str, str], status: int, error: str
) -> None:
    answer = await api.ask_token(**form)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.json["error_description"]
    assert (api.sandbox.tokens.requests, api.sandbox.tokens.refused) == (2, 1)


async def test_the_form_must_be_a_form(api: Api) -> None:
    answer = await api.call("POST", api.sandbox.token_url, json=FORM)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_over_the_quota_is_a_429(serve: Serve) -> None:
    api = await serve(token_quota=2, retry_after="seconds")
    assert (await api.ask_token()).status == 200
    refused = await api.ask_token()
    assert refused.is_problem(429)
    assert 3590 < int(refused.headers["Retry-After"]) <= 3600
    assert len(api.sandbox.tokens.issued) == 2


async def test_expire_now_ends_a_token_that_promised_more(api: Api) -> None:
    api.sandbox.tokens.expire_now()
    assert (await api.get("/stock-seller-references")).is_problem(401)
    await api.login()
    assert (await api.get("/stock-seller-references")).status == 200


async def test_the_same_seed_gives_the_same_tokens(serve: Serve) -> None:
    first, second, other = await serve(seed=7), await serve(seed=7), await serve(seed=8)
    assert first.token == second.token != other.token


async def test_the_endpoint_can_be_hit_by_faults_when_named(api: Api) -> None:
    api.sandbox.faults.next(Fault.UNAVAILABLE_HTML, operation="token.create")
    assert (await api.ask_token()).status == 503
    assert (await api.ask_token()).status == 200
