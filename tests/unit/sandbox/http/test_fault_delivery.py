"""What each fault does to a client, and whether the call has its effect all the same."""

import asyncio
import json
import time

import aiohttp
import pytest

from octoffm_async.sandbox import Fault

from ..api import Answer, Api, product, shipment
from ..conftest import Serve

Lost = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def create(api: Api, fault: Fault, value: float | None = None) -> Answer:
    api.sandbox.faults.next(fault, operation="outbound.create", value=value)
    return await api.post("/outbound-shipments", shipment("ORDER-1"))


def made(api: Api) -> int:
    return api.sandbox.effects.outbound["ORDER-1"]


async def gone(api: Api, status: int = 0) -> None:
    """Wait until the server has noted the end of a call that its client gave up."""
    async with asyncio.timeout(5):
        while not api.sandbox.requests.by["outbound.create", status]:  # noqa: ASYNC110  (the server has no event to await)
            await asyncio.sleep(0.005)


async def test_latency_delays_and_processes(api: Api) -> None:
    start = time.monotonic()
    answer = await create(api, Fault.LATENCY, 0.1)
    assert time.monotonic() - start >= 0.1
    assert (answer.status, made(api)) == (201, 1)


async def test_throttle_is_a_429_and_nothing_happens(api: Api) -> None:
    answer = await create(api, Fault.THROTTLE, 3)
    assert answer.is_problem(429)
    assert "Retry-After" not in answer.headers
    assert made(api) == 0


async def test_throttle_says_retry_after_if_the_sandbox_does(serve: Serve) -> None:
    api = await serve(retry_after="seconds")
    assert (await create(api, Fault.THROTTLE, 3)).headers["Retry-After"] == "3"


async def test_error_500_is_a_problem_and_nothing_happens(api: Api) -> None:
    assert (await create(api, Fault.ERROR_500)).is_problem(500)
    assert made(api) == 0


@pytest.mark.parametrize(("fault", "status"), [(Fault.UNAVAILABLE_HTML, 503), (Fault.HTML_200, 200)])
async def test_a_proxys_page_is_html_and_nothing_happens(api: Api, fault: Fault, status: int) -> None:
    answer = await create(api, fault)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body.startswith(b"<html>")
    assert made(api) == 0


@pytest.mark.parametrize(("fault", "effects"), [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)])
async def test_a_reset_drops_the_connection_before_or_after_the_effect(api: Api, fault: Fault, effects: int) -> None:
    with pytest.raises(Lost):
        await create(api, fault)
    assert made(api) == effects
    assert api.sandbox.requests.by["outbound.create", 0] == 1
    assert (await api.get("/outbound-shipments")).status == 200


@pytest.mark.parametrize(("fault", "effects"), [(Fault.STALL, 0), (Fault.STALL_AFTER, 1)])
async def test_a_stall_lasts_until_the_client_goes_away(api: Api, fault: Fault, effects: int) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await create(api, fault)
    await gone(api)
    assert made(api) == effects


@pytest.mark.parametrize(("fault", "value"), [(Fault.STALL, None), (Fault.LATENCY, 60.0)])
async def test_a_waiting_call_does_not_hold_up_the_end_of_the_server(
    api: Api, fault: Fault, value: float | None
) -> None:
    call = asyncio.create_task(create(api, fault, value))
    async with asyncio.timeout(5):
        while api.sandbox.requests.total < 2:  # noqa: ASYNC110  (the server has no event to await)
            await asyncio.sleep(0.005)
    start = time.monotonic()
    await api.sandbox.stop()
    assert time.monotonic() - start < 0.9
    outcome = (await asyncio.gather(call, return_exceptions=True))[0]
    assert isinstance(outcome, Lost if fault is Fault.STALL else (Answer, *Lost))


async def test_malformed_json_has_the_status_of_a_success(api: Api) -> None:
    answer = await create(api, Fault.MALFORMED_JSON)
    assert answer.status == 201
    assert answer.headers["Content-Type"].startswith("application/json")
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json
    assert made(api) == 1


async def test_a_truncated_body_is_shorter_than_promised(api: Api) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await create(api, Fault.TRUNCATED)
    assert made(api) == 1
    assert api.sandbox.requests.by["outbound.create", 201] == 1


async def test_an_empty_body_can_be_truncated_too(serve: Serve) -> None:
    api = await serve(creation_answer="location")
    with pytest.raises(aiohttp.ClientPayloadError):
        await create(api, Fault.TRUNCATED)


async def test_a_huge_body_is_right_but_large(api: Api) -> None:
    answer = await create(api, Fault.HUGE, 200_000)
    assert len(answer.body) > 200_000
    assert answer.json["outboundShipmentId"]
    assert made(api) == 1


async def test_a_huge_body_stops_when_nobody_reads_it(api: Api) -> None:
    api.sandbox.faults.next(Fault.HUGE)
    url = api.sandbox.base_url + "/outbound-shipments"
    async with api.http.post(url, json=shipment("ORDER-1"), headers=api.headers) as response:
        assert response.status == 201
        assert await response.content.readexactly(1000) == b" " * 1000
        response.close()
    await gone(api)
    assert made(api) == 1


async def test_a_slow_body_comes_byte_by_byte_and_is_right(api: Api) -> None:
    api.sandbox.faults.next(Fault.SLOW_DRIP, operation="outbound.create", value=50.0)
    url = api.sandbox.base_url + "/outbound-shipments"
    start = time.monotonic()
    async with api.http.post(url, json=shipment("ORDER-1"), headers=api.headers) as response:
        first = await response.content.readany()
        body = first + await response.read()
    assert len(first) < 5
    assert time.monotonic() - start >= len(body) / 50 * 0.9
    assert list(json.loads(body)) == ["outboundShipmentId"]
    assert made(api) == 1


async def test_a_slow_body_may_come_fast_in_larger_pieces(api: Api) -> None:
    await api.register(*(product(number) for number in range(100)))
    start = time.monotonic()
    api.sandbox.faults.next(Fault.SLOW_DRIP, value=200_000.0)
    rows = await api.references()
    assert len(rows) == 100
    assert 0.05 < time.monotonic() - start < 1


async def test_a_slow_body_does_not_hold_up_the_end_of_the_server(api: Api) -> None:
    call = asyncio.create_task(create(api, Fault.SLOW_DRIP, 0.1))
    async with asyncio.timeout(5):
        while not made(api):  # noqa: ASYNC110  (the server has no event to await)
            await asyncio.sleep(0.005)
    start = time.monotonic()
    await api.sandbox.stop()
    assert time.monotonic() - start < 0.9
    with pytest.raises(aiohttp.ClientError):
        await call


async def test_a_stale_connection_takes_a_post_and_dies_without_processing_it(api: Api) -> None:
    first = await create(api, Fault.STALE_KEEP_ALIVE)
    assert (first.status, made(api)) == (201, 1)
    assert first.headers.get("Connection", "keep-alive") == "keep-alive"
    total = api.sandbox.requests.total
    with pytest.raises(Lost):
        await api.post("/outbound-shipments", shipment("ORDER-1"))
    assert (made(api), api.sandbox.requests.total) == (1, total)
    assert (await api.post("/outbound-shipments", shipment("ORDER-1"))).status == 201
    assert made(api) == 2


async def test_a_stale_connection_harms_no_other(api: Api) -> None:
    await create(api, Fault.STALE_KEEP_ALIVE)
    async with aiohttp.ClientSession() as other:
        assert (await Api(api.sandbox, other).login()).token


async def test_token_expired_answers_401_once_and_ends_the_token(api: Api) -> None:
    await api.register(product(1))
    assert (await create(api, Fault.TOKEN_EXPIRED)).is_problem(401)
    assert (await api.get("/stock-seller-references")).is_problem(401)
    await api.login()
    assert [row["sellerProductReference"] for row in await api.references()] == ["REF-1"]
    assert made(api) == 0


async def test_every_fault_leaves_the_next_call_alone(api: Api) -> None:
    for fault in Fault:
        api.sandbox.faults.next(fault, operation="outbound.create", value=10.0 if fault is Fault.HUGE else None)
        try:
            # One that is answered is waited for: a call that is given up takes its connection along.
            async with asyncio.timeout(None if fault is Fault.STALE_KEEP_ALIVE else 0.2):
                await api.post("/outbound-shipments", shipment())
        except (TimeoutError, aiohttp.ClientError):
            pass
        if fault is Fault.STALE_KEEP_ALIVE:  # by its nature this one strikes the next call on its connection
            with pytest.raises(Lost):
                await api.ask_token()
        await api.login()
        assert (await api.post("/outbound-shipments", shipment())).status == 201


async def test_random_faults_affect_real_calls(api: Api) -> None:
    api.sandbox.faults.set_rates({Fault.ERROR_500: 0.5}, only="writes")
    statuses = [(await api.post("/outbound-shipments", shipment())).status for _ in range(60)]
    assert 15 <= statuses.count(500) <= 45
    assert statuses.count(201) == made(api) == 60 - statuses.count(500)
    assert {(await api.get("/outbound-shipments")).status for _ in range(20)} == {200}


async def test_a_reset_of_every_connection_reaches_the_reader_too(api: Api) -> None:
    # Twice, because aiohttp's client sends a GET again by itself when its connection was dropped.
    api.sandbox.faults.next(Fault.RESET_BEFORE, operation="outbound.list", times=2)
    with pytest.raises(Lost):
        await api.get("/outbound-shipments")
