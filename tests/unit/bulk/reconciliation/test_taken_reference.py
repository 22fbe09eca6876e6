"""A refusal that says that the reference is used: with a journal, the order is looked for before that is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import (
    AnswerTimeoutError,
    BadRequestError,
    ConflictError,
    ConnectionLostError,
    Created,
    DeadlineExceededError,
    FulfillmentClient,
    Journal,
    PayloadConflictError,
    Refused,
    ServerError,
    Skipped,
    Unknown,
    UnprocessableError,
    UnusableAnswerError,
)
from octoffm_async.bulk.reconciliation.taken_reference import says_taken
from octoffm_async.journal import State
from octoffm_async.journal.key_claims import key_claims_of
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.support.items import all_of, order, posted, product

pytestmark = pytest.mark.one_loop

EXISTS = {"title": "Conflict", "detail": "an order with this reference exists", "code": "Exists"}
SAID = "409 Conflict: an order with this reference exists"
LONG_AGO, BEFORE = timedelta(days=60), timedelta(days=5)


class Api:
    """Creates orders, or says that their references are used; lists what there is."""

    def __init__(self, refusal: Answer | None = None) -> None:
        self.refusal: Answer = refusal or answer(409, EXISTS)
        self.answers: list[Answer] = []
        """What the next creations get in place of the refusal."""
        self.carries_out = True
        self.list_answer: Answer | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self.posts: list[str] = []

    def make(self, reference: str, *, ago: timedelta = timedelta(0), shown_as: str | None = None) -> None:
        at = (datetime.now(UTC) - ago).isoformat()
        shown = {"reference": shown_as or reference, "createdAt": at, "statusUpdatedAt": at}
        self.rows[reference] = {"outboundShipmentId": f"S-{reference}", "status": "Created"} | shown

    def __call__(self, sent: Sent) -> Answer:
        if sent.method == "POST":
            (reference,) = posted(sent)
            self.posts.append(reference)
            if self.carries_out:
                self.make(reference)
            return self.answers.pop() if self.answers else self.refusal
        if self.list_answer is not None:
            return self.list_answer
        return answer(200, {"count": len(self.rows)} if "/count" in sent.url else {"items": [*self.rows.values()]})

    def client(self, **settings: Any) -> FulfillmentClient:
        settings.setdefault("max_attempts", 1)
        return FulfillmentClient(config(**settings), transport=FakeTransport(self), hooks=())

    async def run(self, *references: str, journal: Path | None, patience: float = 0.02) -> dict[str, Any]:
        async with self.client() as client:
            items = [order(reference) for reference in references]
            outcomes, error = await all_of(client.bulk.create_outbound(items, journal=journal, patience=patience))
        assert error is None
        return {outcome.key: outcome for outcome in outcomes}


async def called(client: FulfillmentClient, journal: Journal | None, reference: str = "O-1") -> str:
    return await client.outbound.create(order(reference), journal=journal, patience=0.02)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@pytest.mark.parametrize("status", [409, 422, 400])
async def test_what_was_created_in_spite_of_it_is_found(path: Path, status: int) -> None:
    api = Api(answer(status, EXISTS))
    assert await api.run("O-1", "O-2", journal=path) == {
        "O-1": Created(key="O-1", id="S-O-1"),
        "O-2": Created(key="O-2", id="S-O-2"),
    }
    async with api.client() as client, Journal.open(path) as journal:
        assert await called(client, journal, "O-3") == "S-O-3"
        assert await called(client, journal, "O-3") == "S-O-3"
    assert sorted(api.posts) == ["O-1", "O-2", "O-3"]


async def test_what_is_absent_is_refused_in_the_words_of_the_api_and_stays_so(path: Path) -> None:
    api = Api()
    api.carries_out = False
    (refused,) = (await api.run("O-1", journal=path)).values()
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message[: len(SAID)]) == ("Exists", SAID)
    assert isinstance(refused.error, ConflictError)
    assert not refused.error.outcome_unknown
    (again,) = (await api.run("O-1", journal=path)).values()
    assert isinstance(again, Skipped)
    assert again.earlier == Refused(key="O-1", code="Exists", message=refused.message)
    async with api.client() as client, Journal.open(path) as journal:
        with pytest.raises(ConflictError, match=SAID) as caught:
            await called(client, journal, "O-2")
        with pytest.raises(UnprocessableError, match=f"refused before, .*{SAID}"):
            await called(client, journal, "O-2")
    assert not caught.value.outcome_unknown
    assert api.posts == ["O-1", "O-2"]


async def test_an_order_of_long_before_is_another_one(path: Path) -> None:
    api = Api()
    api.carries_out = False
    for reference in ("O-1", "O-2"):
        api.make(reference, ago=LONG_AGO)
    (refused,) = (await api.run("O-1", journal=path)).values()
    assert isinstance(refused, Refused)
    assert refused.message.startswith(SAID)
    assert refused.message.endswith(" has this reference: S-O-1")
    async with api.client() as client, Journal.open(path) as journal:
        with pytest.raises(ConflictError, match=SAID):
            await called(client, journal, "O-2")


async def test_an_order_of_days_before_is_left_open(path: Path) -> None:
    api = Api()
    api.carries_out = False
    api.make("O-1", ago=BEFORE)
    (unknown,) = (await api.run("O-1", journal=path)).values()
    assert isinstance(unknown, Unknown)
    assert "has this reference: S-O-1; it may be this one" in unknown.reason
    async with api.client() as client, Journal.open(path) as journal:
        with pytest.raises(UnusableAnswerError, match="it may be this one") as caught:
            await called(client, journal)
    assert caught.value.outcome_unknown
    assert api.posts == ["O-1"]


async def test_what_is_not_proven_stays_unknown_with_what_the_api_said(path: Path) -> None:
    api = Api()
    api.carries_out = False
    api.make("o-1 ")
    for _ in range(2):
        (unknown,) = (await api.run("O-1", journal=path)).values()
        assert isinstance(unknown, Unknown)
        assert "looks like 'o-1 '" in unknown.reason
        assert unknown.reason.count(SAID) == 1
        assert "ask again with the same journal" in unknown.reason
        async with api.client() as client, Journal.open(path) as journal:
            with pytest.raises(UnusableAnswerError, match="looks like 'o-1 '") as caught:
                await called(client, journal)
        assert caught.value.outcome_unknown
        assert str(caught.value).count(SAID) == 1
    api.rows.clear()  # once it is proven, it is refused in the words that were said first
    (refused,) = (await api.run("O-1", journal=path)).values()
    assert isinstance(refused, Refused)
    assert refused.message.startswith(SAID)
    assert "looked for" not in refused.message
    assert api.posts == ["O-1"]


async def test_what_was_sent_twice_before_it_was_said_is_not_taken_for_absent(path: Path) -> None:
    api = Api()
    api.carries_out = False
    api.answers = [ConnectionLostError("the connection broke")]
    for _ in range(2):
        (unknown,) = (await api.run("O-1", journal=path)).values()
        assert isinstance(unknown, Unknown)
        assert SAID in unknown.reason
        assert "it was sent twice, and the API says that its reference is used" in unknown.reason
    async with api.client() as client, Journal.open(path) as journal:
        with pytest.raises(UnusableAnswerError, match="it was sent twice") as caught:
            await called(client, journal)
    assert caught.value.outcome_unknown
    assert api.posts == ["O-1", "O-1"]


async def test_a_look_up_that_fails_leaves_it_unknown(path: Path) -> None:
    api = Api()
    api.list_answer = answer(503)
    (unknown,) = (await api.run("O-1", journal=path)).values()
    assert isinstance(unknown, Unknown)
    assert SAID in unknown.reason
    assert "it could not be looked for: 503" in unknown.reason
    assert isinstance(unknown.error, ConflictError)
    assert unknown.error.outcome_unknown
    assert unknown.error.in_journal
    async with api.client() as client:
        outcomes, error = await all_of(client.bulk.resume(path, (await _run_of(path)), patience=0.02))
        assert error is None
        (unknown,) = outcomes
        assert isinstance(unknown, Unknown)
        assert "it could not be looked for: 503" in unknown.reason
        assert "ask again with the same journal" in unknown.reason
    api.list_answer = None
    assert await api.run("O-1", journal=path) == {"O-1": Created(key="O-1", id="S-O-1")}


async def _run_of(path: Path) -> str:
    async with Journal.open(path) as journal:
        return (await journal.runs())[0].id


async def test_without_a_journal_the_error_says_that_an_order_exists(path: Path) -> None:
    api = Api()
    (refused,) = (await api.run("O-1", journal=None)).values()
    assert isinstance(refused, Refused)
    assert "an order exists under this reference, perhaps this very one" in refused.message
    async with api.client() as client:
        with pytest.raises(ConflictError, match="look it up before you send it under another") as caught:
            await called(client, None)
    assert not caught.value.outcome_unknown
    assert api.posts == ["O-1", "O-1"]


async def test_products_are_looked_for_too(path: Path) -> None:
    def script(sent: Sent) -> Answer:
        if sent.method == "POST":
            return answer(409, EXISTS)
        return answer(200, {"items": [{"sellerProductReference": "P-1"}]})

    client = FulfillmentClient(config(), transport=FakeTransport(script), hooks=())
    async with client:
        run = client.bulk.create_products([product(1), product(2)], journal=path, patience=0.02)
        outcomes, _ = await all_of(run)
    found = {outcome.key: outcome for outcome in outcomes}
    assert found["P-1"] == Created(key="P-1")
    assert isinstance(found["P-2"], Refused)


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (answer(503), ServerError),
        (answer(400), BadRequestError),
        (answer(200, b"{"), UnusableAnswerError),
        (ConnectionLostError("the connection broke"), ConnectionLostError),
        (AnswerTimeoutError("no answer"), AnswerTimeoutError),
    ],
)
async def test_whatever_fails_a_look_up_leaves_a_single_call_unknown(path: Path, failing: Answer, kind: Any) -> None:
    api = Api(ConnectionLostError("the connection broke"))
    api.list_answer = failing
    async with api.client() as client, Journal.open(path) as journal:
        with pytest.raises(ConnectionLostError):
            await called(client, journal)
        with pytest.raises(kind, match="'O-1' was sent, and could not be looked for") as caught:
            await called(client, journal)
        assert caught.value.outcome_unknown
        assert caught.value.in_journal
        assert caught.value.retry_after == 0.02
        assert "ask again with the same journal" in str(caught.value)
        api.list_answer = None
        assert await called(client, journal) == "S-O-1"
    assert api.posts == ["O-1"]


async def test_an_order_that_another_call_is_busy_with_is_unknown_in_the_end(path: Path) -> None:
    api = Api()
    async with api.client(deadline=0.02) as client, Journal.open(path) as journal:
        claims, other = key_claims_of(journal, "12345", "outbound.create"), object()
        claims.take(["O-1"], other)
        with pytest.raises(DeadlineExceededError, match="working on 'O-1'") as caught:
            await called(client, journal)
        claims.release(["O-1"], other)
    assert caught.value.outcome_unknown
    assert caught.value.retry_after == 1.0
    assert not api.posts


@pytest.mark.parametrize(
    ("error", "taken"),
    [
        (ConflictError("409 Conflict", status=409), True),
        (PayloadConflictError("another payload was sent"), False),
        (UnprocessableError("422: order reference already used", status=422), True),
        (UnprocessableError("422", status=422, code="DuplicateReference"), True),
        (UnprocessableError("422", status=422, body='{"codes":["REFERENCE_ALREADY_EXISTS"]}'), True),
        (UnprocessableError("422: la référence existe déjà", status=422), True),
        (UnprocessableError("422: Reference 'A-1' is in use", status=422), True),
        (BadRequestError("400: reference must be unique, and A-1 already exists", status=400), True),
        (UnprocessableError("422: product P-1 does not exist", status=422), False),
        (UnprocessableError("422: no product with the reference P-1 exists", status=422), False),
        (UnprocessableError("422: insufficient stock", status=422), False),
        (BadRequestError("400; reference: at most 50 are allowed", status=400), False),
        (ServerError("500: duplicate key", status=500), False),
        (None, False),
    ],
)
def test_which_refusals_say_so(error: Any, taken: bool) -> None:
    assert says_taken(error) is taken


async def test_the_journal_distinguishes_them_while_they_are_unknown(path: Path) -> None:
    api = Api()
    api.list_answer = answer(503)
    await api.run("O-1", journal=path)
    async with Journal.open(path) as journal:
        (run,) = await journal.runs()
        (entry,) = [entry async for entry in journal.entries(run.id)]
    assert (entry.state, entry.code) == (State.UNKNOWN, "Taken Exists")
