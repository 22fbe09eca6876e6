"""What is kept of the head of an answer, and how calls are shown."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from octoffm_async.probe.calls import CALLS, KINDS, STEPS
from octoffm_async.probe.records import CallRecord, link_form, read_answer, retry_after_form
from octoffm_async.probe.words import Censor
from octoffm_async.transport.response import Response


def read(status: int = 200, body: bytes = b"", **headers: str) -> CallRecord:
    kept = CallRecord(step=1, name="n", call="c", settles="s")
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    read_answer(kept, Response(status, named, body, "https://a/b"), Censor())
    return kept


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, ""),
        ("120", "seconds"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "date"),
        ("soon", "other"),
        ("1.5", "other"),
        ("", "other"),
    ],
)
def test_retry_after_is_kept_by_its_form(value: str | None, form: str) -> None:
    assert retry_after_form(value) == form


@pytest.mark.parametrize(
    ("link", "form"),
    [
        (None, ""),
        ('</x>; rel="prev"', "no next"),
        ('<https://a/seller/v2/stocks?cursor=1>; rel="next"', "absolute"),
        ('</seller/v2/stocks?cursor=1>; rel="next"', "relative to the origin"),
        ('</stocks?cursor=1>; rel="next"', "relative to the base"),
        ('<?cursor=1>; rel="next"', "query only"),
        ('<stocks?cursor=1>; rel="next"', "relative to the path"),
    ],
)
def test_links_are_kept_by_their_form(link: str | None, form: str) -> None:
    assert link_form(link) == form


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{}", "json"),
        (b"\xef\xbb\xbfnull", "json"),
        (b"%PDF-1.4", "pdf"),
        (b"<!DOCTYPE html>", "html"),
        (b"  <HTML>", "html"),
        (b"hello", "other"),
        (b"\xff\x00", "other"),
    ],
)
def test_bodies_are_told_apart_by_what_they_are(body: bytes, kind: str) -> None:
    assert read(body=body, Content_Type="application/json").body == kind


def test_of_headers_the_names_are_kept_and_a_few_forms() -> None:
    kept = read(
        405, Content_Type="application/problem+json; charset=x", Allow="POST, mark", X_Trace="mark", RateLimit="5"
    )
    assert (kept.media_type, kept.allow, kept.rate_headers) == ("application/problem+json", ["POST"], ["RateLimit"])
    assert kept.headers == ["Allow", "Content-Type", "RateLimit", "X-Trace"]
    assert read(Content_Type="mark/data").media_type == "other"


def test_calls_are_shown_without_values_and_sent_with_them() -> None:
    known = {**dict.fromkeys(KINDS, "a b/c&d"), "next_stocks": "cursor=a%2Fb"}
    for call in CALLS:
        assert "{" not in call.shown
        assert call.shown.startswith("GET /")
        assert " " not in call.target(known)
    by_name = {call.name: call for call in CALLS}
    assert by_name["stock"].target(known) == "/stocks/a%20b%2Fc%26d"
    assert by_name["stocks.real"].target(known) == "/stocks?limit=5&sellerProductReference=a+b%2Fc%26d"


def test_the_table_has_each_step_and_each_name_once() -> None:
    assert {call.step for call in CALLS} == set(range(2, STEPS + 1))
    assert len({call.name for call in CALLS}) == len(CALLS)
    for call in CALLS:
        assert set(call.wants) <= KINDS.keys()
        if call.operation is not None:
            assert call.operation.method == "GET"
