"""Ids that are another order's, or none: no order is reported as created with one, and the list settles all of them."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import (
    Created,
    Failed,
    FulfillmentClient,
    Journal,
    OutboundShipmentRequest,
    Outcome,
    ServerError,
    Skipped,
    Unknown,
    UnusableAnswerError,
)
from octoffm_async.bulk.run import Run
from octoffm_async.journal import State, environment_of
from octoffm_async.journal.sqlite.journal import SQLiteJournalRun
from tests.support.items import all_of, order, orders
from tests.support.out_of_step import Api, Link, http, speaking

FOREIGN = "f0e10000-0000-4000-8000-000000000000"


def honest(_: Api, __: Link, ___: str, answer: bytes) -> list[bytes]:
    return [answer]


def twice_late(api: Api, link: Link, _: str, answer: bytes) -> list[bytes]:
    """The third answer of the first connection comes again before that to the next request, and so on from there."""
    if link.number == 0 and link.creations == 3:
        link.due = [answer]
    return [answer]


def twice_at_once(api: Api, link: Link, _: str, answer: bytes) -> list[bytes]:
    return [answer, answer] if link.number == 0 and link.creations == 3 else [answer]


def cached(api: Api, link: Link, _: str, answer: bytes) -> list[bytes]:
    """A cache that answers all after the second with the second."""
    if len(api.ids) > 2:
        answer = http(201, {"outboundShipmentId": list(api.ids)[1]})
    return [answer]


def saying(content: Any, kind: str = "application/json") -> Callable[..., list[bytes]]:
    def lie(api: Api, link: Link, _: str, answer: bytes) -> list[bytes]:
        return [http(201, content, kind=kind)] if len(api.ids) == 5 else [answer]

    return lie


LIES = {
    "an answer comes twice, the second time late": twice_late,
    "an answer comes twice at once": twice_at_once,
    "a cache repeats an answer": cached,
    "a number among GUIDs": saying({"outboundShipmentId": 12}),
    "a word among GUIDs": saying({"outboundShipmentId": "OK"}),
    "an id of something else": saying({"id": "CR-2026-0001"}),
}


async def outcomes_of(run: Run[Any, Any]) -> list[Outcome]:
    outcomes, error = await all_of(run)
    assert error is None
    return outcomes


def delivered_keys(outcomes: list[Outcome]) -> dict[str | None, str]:
    """The reference of each delivered id."""
    return {outcome.id: outcome.key for outcome in outcomes if isinstance(outcome, Created)}


async def kept(path: Path) -> dict[str | None, str]:
    """The reference of each id that the journal knows."""
    async with Journal.open(path, read_only=True) as journal:
        return {
            entry.remote_id: entry.key
            for record in await journal.runs()
            async for entry in journal.entries(record.id, State.CREATED)
        }


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_with_a_journal_each_order_gets_its_own_id(lie: Callable[..., list[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    async with speaking(lie) as (api, client):
        outcomes = await outcomes_of(client.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0))
        assert api.calls.count("create") == 8
        assert len(outcomes) == 8
        assert delivered_keys(outcomes) == api.ids
        assert await kept(path) == api.ids


@pytest.mark.parametrize("lie", [twice_late, cached])
async def test_the_one_that_was_reported_first_is_looked_up_too(
    lie: Callable[..., list[bytes]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "octoffm_async")
    async with speaking(lie) as (_, client):
        await outcomes_of(
            client.bulk.create_outbound(orders(8), journal=tmp_path / "j.sqlite", concurrency=1, patience=0)
        )
    assert "two orders got the id" in caplog.text
    assert "orders that were reported as created are looked up again" in caplog.text
    assert "it has the id" not in caplog.text  # the first response was right


async def test_answers_that_are_all_of_the_request_before_are_put_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They begin with one that is nobody's, so that no id comes twice; it shows when the last one comes unasked."""
    caplog.set_level(logging.WARNING, "octoffm_async")

    def shifted(api: Api, link: Link, _: str, answer: bytes) -> list[bytes]:
        if link.number == 0 and link.creations == 1:
            link.due = [answer]
            return [http(201, {"outboundShipmentId": FOREIGN})]
        return [answer]

    async with speaking(shifted) as (api, client):

        async def items() -> AsyncIterator[OutboundShipmentRequest]:
            for item in orders(5):
                yield item
            await api.say_the_rest()
            yield order("LAST")

        path = tmp_path / "orders.sqlite"
        outcomes = await outcomes_of(client.bulk.create_outbound(items(), journal=path, concurrency=1, patience=0))
        assert len(outcomes) == 6
        assert api.calls.count("create") == 6
        assert await kept(path) == api.ids
        assert FOREIGN not in api.ids
        wrong = [key for remote_id, key in delivered_keys(outcomes).items() if api.ids.get(str(remote_id)) != key]
        assert wrong[0] == "O-0"
        assert all(f"{key!r} was reported as created" in caplog.text for key in wrong)
        assert len(api.links) == 2


def lost(api: Api, link: Link, reference: str, answer: bytes) -> list[bytes]:
    """``O-1`` is answered with an id that is given to ``O-3``, and does not exist."""
    if reference == "O-1" and api.calls.count("create") == 2:
        api.ids.popitem()
        api.make_id = lambda other: FOREIGN if other == "O-3" else str(uuid.uuid5(uuid.NAMESPACE_URL, other))
        return [http(201, {"outboundShipmentId": FOREIGN})]
    return [answer]


async def test_what_does_not_exist_is_sent_in_the_next_run_if_its_id_is_shown_to_be_anothers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "octoffm_async")
    async with speaking(lost) as (api, client):
        path = tmp_path / "orders.sqlite"
        run = client.bulk.create_outbound(orders(5), journal=path, concurrency=1, patience=0)
        assert len(await outcomes_of(run)) == 5
        assert "'O-1' was reported as created" in caplog.text
        assert "does not exist" in caplog.text
        again = client.bulk.create_outbound(orders(5), journal=path, concurrency=1, patience=0)
        assert [outcome.key for outcome in await outcomes_of(again) if isinstance(outcome, Created)] == ["O-1"]
        assert sorted(api.ids.values()) == [f"O-{n}" for n in range(5)]


async def test_what_was_reported_as_created_and_is_not_shown_is_unknown_and_never_sent_again(tmp_path: Path) -> None:
    """The list has lost it: that an answer gave it an id says that it exists, whosever id that is."""

    def hidden(api: Api, link: Link, reference: str, answer: bytes) -> list[bytes]:
        twice = twice_late(api, link, reference, answer)
        if reference == "O-7":
            api.ids = {key: of for key, of in api.ids.items() if of != "O-1"}
        return twice

    async with speaking(hidden) as (api, client):
        path = tmp_path / "orders.sqlite"
        run = client.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0)
        assert len(await outcomes_of(run)) == 8
        for known in (client, client.seller("12345")):
            again = known.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0)
            (unknown,) = [outcome for outcome in await outcomes_of(again) if isinstance(outcome, Unknown)]
            assert unknown.key == "O-1"
            assert "its response said that it was created" in unknown.reason
        assert api.calls.count("create") == 8
        async with Journal.open(path) as journal:
            with pytest.raises(UnusableAnswerError, match="its response said that it was created"):
                await client.outbound.create(order("O-1"), journal=journal, patience=0)
        assert api.calls.count("create") == 8


async def test_one_that_is_followed_and_does_not_exist_is_reported_as_such(tmp_path: Path) -> None:
    async with speaking(lost) as (_, client):
        path = tmp_path / "orders.sqlite"
        run = client.bulk.create_outbound(orders(5), journal=path, concurrency=1, patience=0, follow="shipped")
        outcomes = await outcomes_of(run)
        assert sorted(outcome.key for outcome in outcomes) == [f"O-{n}" for n in range(5)]
        (skipped,) = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
        assert skipped.key == "O-1"
        assert "run again" in skipped.reason


async def test_a_resumed_run_reports_that_its_request_is_not_kept(tmp_path: Path) -> None:
    async with speaking(lost) as (_, client):
        path = tmp_path / "orders.sqlite"
        await outcomes_of(client.bulk.create_outbound(orders(5), journal=path, concurrency=1, patience=0))
        async with Journal.open(path, read_only=True) as journal:
            (record,) = await journal.runs()
        (outcome,) = await outcomes_of(client.bulk.resume(path, record.id, patience=0))
        assert isinstance(outcome, Failed)
        assert "the journal stores no request of an item" in str(outcome.error)


@pytest.mark.parametrize("lie", [twice_late, cached])
async def test_orders_that_are_followed_are_reported_with_the_id_that_was_found(
    lie: Callable[..., list[bytes]], tmp_path: Path
) -> None:
    async with speaking(lie) as (api, client):
        outcomes = await outcomes_of(
            client.bulk.create_outbound(
                orders(8), journal=tmp_path / "j.sqlite", concurrency=1, patience=0, follow="shipped"
            )
        )
        assert len(outcomes) == 8
        assert delivered_keys(outcomes) == api.ids


async def test_without_a_journal_both_are_reported_in_the_log_and_the_second_is_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "octoffm_async")
    async with speaking(twice_late) as (api, client):
        outcomes = await outcomes_of(client.bulk.create_outbound(orders(8), concurrency=1))
        assert delivered_keys(outcomes).items() < api.ids.items()
        unknown = [outcome.key for outcome in outcomes if isinstance(outcome, Unknown)]
        assert unknown == ["O-3"]
        assert "'O-2' and 'O-3'" in caplog.text
        assert [link.creations for link in api.links] == [4, 4]


async def test_ids_of_two_forms_pass_once_the_api_has_shown_one_of_them() -> None:
    async with speaking(honest) as (api, client):
        guid = api.make_id
        api.make_id = lambda reference: guid(reference) if int(reference[2:]) % 2 else str(1000 + int(reference[2:]))
        outcomes = await outcomes_of(client.bulk.create_outbound(orders(40), concurrency=1))
        assert delivered_keys(outcomes) == api.ids
        assert api.calls.count("get") <= 3
        more = await outcomes_of(client.bulk.create_outbound(orders(60)[40:], concurrency=1))
        assert all(isinstance(outcome, Created) for outcome in more)
        assert api.calls.count("get") <= 3


async def test_a_journal_teaches_how_ids_look_before_the_first_is_created(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    async with speaking(honest) as (api, client):
        await outcomes_of(client.bulk.create_outbound(orders(5), journal=path))
    known = dict(api.ids)

    def replayed(api: Api, link: Link, reference: str, answer: bytes) -> list[bytes]:
        return [http(201, {"outboundShipmentId": "12" if reference == "N-1" else next(iter(known))})]

    async with speaking(replayed) as (api, client):
        api.ids |= known
        new = [order("N-1"), order("N-2")]
        # The journal belongs to the first address: another port is another API.
        async with Journal.open(path) as journal:
            environment = environment_of(client.outbound._scope.session.config)
            await journal.rebind(seller="12345", environment=environment)
        outcomes = await outcomes_of(client.bulk.create_outbound(new, journal=path, concurrency=1, patience=0))
        assert delivered_keys(outcomes).items() <= api.ids.items()
        assert len(outcomes) == 2


async def test_a_single_creation_is_unknown_and_found_when_it_is_asked_for_again(tmp_path: Path) -> None:
    async with speaking(cached) as (api, client), Journal.open(tmp_path / "j.sqlite") as journal:
        first = [await client.outbound.create(order(f"O-{n}"), journal=journal, patience=0) for n in range(2)]
        with pytest.raises(UnusableAnswerError, match=r"the id '.*', which 'O-1' got before") as caught:
            await client.outbound.create(order("O-2"), journal=journal, patience=0)
        assert caught.value.outcome_unknown
        found = [await client.outbound.create(order(f"O-{n}"), journal=journal, patience=0) for n in range(3)]
        assert found[:2] == first
        assert {key: f"O-{n}" for n, key in enumerate(found)} == api.ids
        assert api.calls.count("create") == 3


async def test_a_single_creation_with_an_odd_id_is_asked_for_by_it() -> None:
    async with speaking(honest) as (api, client):
        for number in range(3):
            await client.outbound.create(order(f"O-{number}"))
        api.make_id = lambda reference: f"OS-{reference}"
        assert await client.outbound.create(order("O-3")) == "OS-O-3"
        assert await client.outbound.create(order("O-4")) == "OS-O-4"
        assert api.calls.count("get") == 1
        api.lie = saying({"outboundShipmentId": 12})
        api.ids.clear()
        api.make_id = lambda reference: str(uuid.uuid4())
        for number in range(4):
            api.create(str(number))
        with pytest.raises(UnusableAnswerError, match="is of another form than those before it") as caught:
            await client.outbound.create(order("O-5"))
        assert caught.value.outcome_unknown
        assert api.calls.count("get") == 2


async def test_an_answer_that_is_no_creations_ends_its_connection() -> None:
    """A list that came twice is read by the creation behind it; what was meant for that one is read by nobody."""

    class Stuttering(Api):
        def _honest(self, request: Any) -> bytes:
            answer = super()._honest(request)
            if request.path.endswith("/count"):
                self.links[-1].due = [answer]
            return answer

    async def main(client: FulfillmentClient, api: Api) -> None:
        await client.outbound.create(order("O-0"))
        await client.outbound.count()
        with pytest.raises(UnusableAnswerError) as caught:
            await client.outbound.create(order("O-1"))
        assert caught.value.outcome_unknown
        assert api.ids[await client.outbound.create(order("O-2"))] == "O-2"
        assert [link.creations for link in api.links] == [2, 1]

    async with speaking(honest) as (api, client):
        api.__class__ = Stuttering
        await main(client, api)


def one_late(api: Api, link: Link, _: str, answer: bytes) -> list[bytes]:
    """The second creation gets a 504, and each after it the answer of the one before. No id comes twice."""
    if link.creations == 1:
        return [answer]
    before, api.held = getattr(api, "held", http(504, {})), answer  # type: ignore[attr-defined]
    return [before]


async def test_ids_that_are_all_of_the_order_before_are_found_from_the_first_that_is_looked_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "octoffm_async")
    async with speaking(one_late) as (api, client):
        path = tmp_path / "orders.sqlite"
        outcomes = await outcomes_of(client.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0))
        assert len(outcomes) == 8
        assert await kept(path) == api.ids
        assert api.calls.count("create") == 8
        wrong = [each.key for each in outcomes if isinstance(each, Created) and api.ids[str(each.id)] != each.key]
        assert wrong == [f"O-{n}" for n in range(2, 8)]
        assert all(f"{key!r} was reported as created" in caplog.text for key in wrong)


async def test_a_single_creation_that_is_looked_up_shows_which_others_got_wrong_ids(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    async with speaking(one_late) as (api, client):

        async def made(number: int, client: FulfillmentClient = client) -> str:
            async with Journal.open(path) as journal:
                return await client.outbound.create(order(f"O-{number}"), journal=journal, patience=0)

        for number in (0, 2, 3, 4, 5):
            with contextlib.suppress(ServerError):
                await made(number)
        async with FulfillmentClient(client.config, hooks=()) as another:  # another process, which has seen no answer
            assert api.ids[await made(2, another)] == "O-2"
            assert {api.ids[await made(number, another)] for number in (3, 4, 5)} == {"O-3", "O-4", "O-5"}
        assert await kept(path) == api.ids
        assert api.calls.count("create") == 5


class KilledError(Exception):
    """Stands for the end of a process: what was not written by then is not written."""


async def test_others_are_taken_back_before_what_leads_to_them_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is killed between: the next one is still led to them by the one that was looked for."""
    path = tmp_path / "orders.sqlite"

    async def killed(*_: object) -> list[str]:
        raise KilledError

    async with speaking(one_late) as (api, client):
        with monkeypatch.context() as patched:
            patched.setattr(SQLiteJournalRun, "reset_to_unknown", killed)
            _, error = await all_of(client.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0))
            assert isinstance(error, KilledError)
        assert set(await kept(path)) == set(api.ids) - {next(key for key, of in api.ids.items() if of == "O-7")}
        async with FulfillmentClient(client.config, hooks=()) as another:
            await outcomes_of(another.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0))
        assert await kept(path) == api.ids
        assert api.calls.count("create") == 8


async def test_what_a_killed_process_received_is_compared_with_the_first_list_that_is_read(tmp_path: Path) -> None:
    """Its answers were out of step behind one with an id that is nobody's, and it did not live to see it."""
    path = tmp_path / "orders.sqlite"

    def shifted(api: Api, link: Link, reference: str, answer: bytes) -> list[bytes]:
        if link.number:
            return [http(504, {})] if reference == "O-6" and api.calls.count("create") == 7 else [answer]
        before, api.held = getattr(api, "held", http(201, {"outboundShipmentId": FOREIGN})), answer  # type: ignore[attr-defined]
        return [before]

    async with speaking(shifted) as (api, client):
        await outcomes_of(client.bulk.create_outbound(orders(6), journal=path, concurrency=1, patience=0))
        assert api.calls.count("list") == 0
        assert (await kept(path))[FOREIGN] == "O-0"
        async with FulfillmentClient(client.config, hooks=()) as another:  # another process, which has seen no answer
            await outcomes_of(another.bulk.create_outbound(orders(8), journal=path, concurrency=1, patience=0))
        assert await kept(path) == api.ids
        assert api.calls.count("create") == 8
