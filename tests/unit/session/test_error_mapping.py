"""Answers that are no success, in all the forms that an API, Keycloak, a gateway or an enemy may give them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.errors import (
    AnsweredError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnprocessableError,
    UnusableAnswerError,
)
from octoffm_async.session.error_mapping import (
    EXCERPT_CHARACTERS,
    FIELD_ERRORS_MOST,
    error_for,
    excerpt,
    redact,
    unusable,
)
from tests.support.fakes import answer

SECRET = "very-secret-token"
HTML = b"<html><body><h1>503 Service Unavailable</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, BadRequestError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, BadRequestError),
        (406, BadRequestError),
        (408, BadRequestError),
        (409, ConflictError),
        (410, BadRequestError),
        (415, BadRequestError),
        (418, BadRequestError),
        (422, UnprocessableError),
        (429, RateLimitedError),
        (500, ServerError),
        (502, ServerError),
        (599, ServerError),
        (101, UnusableAnswerError),
        (301, UnusableAnswerError),
        (302, UnusableAnswerError),
        (304, UnusableAnswerError),
        (308, UnusableAnswerError),
    ],
)
@pytest.mark.parametrize("body", [None, HTML, {"title": "T"}])
def test_the_class_is_by_status_whatever_the_body(status, kind, body) -> None:
    error = error_for(answer(status, body))
    assert type(error) is kind
    assert error.status == status
    assert str(status) in str(error)
    assert error.retryable is (kind in (RateLimitedError, ServerError))
    assert not error.outcome_unknown


def test_problem_json() -> None:
    problem = {
        "title": "Validation failed",
        "status": 422,
        "detail": "2 fields",
        "instance": "/x",
        "traceId": "00-abc",
        "code": "E-17",
        "errors": {"gtin": ["is short", "is odd"], "lines[0].quantity": "is zero"},
    }
    error = error_for(answer(422, problem))
    assert (error.title, error.code, error.trace_id) == ("Validation failed", "E-17", "00-abc")
    assert error.field_errors == {"gtin": ["is short", "is odd"], "lines[0].quantity": ["is zero"]}
    assert error.message == "422 Validation failed: 2 fields; gtin: is short, is odd; lines[0].quantity: is zero"
    assert str(error).endswith("(trace 00-abc)")
    assert "E-17" in error.body


def test_keycloak() -> None:
    error = error_for(answer(401, {"error": "invalid_client", "error_description": "Invalid client credentials"}))
    assert (error.code, error.title) == ("invalid_client", "invalid_client")
    assert error.message == "401 invalid_client: Invalid client credentials"


@pytest.mark.parametrize(
    ("status", "message"), [(404, "404 Not Found"), (401, "401 Unauthorized"), (503, "503"), (418, "418")]
)
@pytest.mark.parametrize("body", [None, b"   ", HTML, b"[]", b"[1]", b'"text"', b"null", b"12", b"{", b"\xff\xfe\x00"])
def test_a_body_that_tells_nothing(status, message, body) -> None:
    error = error_for(answer(status, body))
    assert error.message == message
    assert (error.code, error.field_errors, error.trace_id, error.retry_after) == ("", {}, "", None)


@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], ["x"], {}, {"x": 1}, "9" * 5000])
@pytest.mark.parametrize("field", ["title", "detail", "code", "error", "error_description", "traceId", "errors"])
def test_no_type_is_taken_for_granted(field, value) -> None:
    error = error_for(answer(400, {field: value}))
    assert isinstance(error, BadRequestError)
    assert all(isinstance(text, str) for text in (error.title, error.code, error.trace_id, error.body))


@pytest.mark.parametrize(
    ("messages", "listed"),
    [
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([], []),
        (None, ["None"]),
        ([1, None, {"code": "x"}], ["1", "None", "{'code': 'x'}"]),
        ([str(n) for n in range(50)], [str(n) for n in range(10)]),
    ],
)
def test_field_errors_are_lists_of_text(messages, listed) -> None:
    assert error_for(answer(400, {"errors": {"gtin": messages}})).field_errors == {"gtin": listed}


def test_a_huge_problem_makes_a_small_error() -> None:
    huge = "x" * 1_000_000
    problem = {"title": huge, "detail": huge, "traceId": huge, "code": huge}
    problem["errors"] = {f"field {n}": [huge] * 100 for n in range(3)}
    error = error_for(answer(400, problem))
    assert len(error.body) <= EXCERPT_CHARACTERS + 1
    assert len(str(error)) < 20_000
    assert max(map(len, (error.title, error.code, error.trace_id))) <= EXCERPT_CHARACTERS
    assert all(len(text) <= EXCERPT_CHARACTERS for texts in error.field_errors.values() for text in texts)


def test_a_huge_field_name_makes_a_small_error() -> None:
    error = error_for(answer(400, {"errors": {"f" * 1_000_000: ["is odd"]}}))
    assert len(str(error)) < 20_000


def test_field_errors_are_counted() -> None:
    error = error_for(answer(400, {"errors": {f"f{n}": ["x"] for n in range(FIELD_ERRORS_MOST + 5)}}))
    assert len(error.field_errors) == FIELD_ERRORS_MOST
    assert error.message.count(";") <= 5


@pytest.mark.parametrize("depth", [10, 300, 900, 950, 1000, 5000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_survived(depth, opening, closing) -> None:
    body = b'{"title": "T", "errors": {"x": ' + opening * depth + b"1" + closing * depth + b"}}"
    assert error_for(answer(400, body)).status == 400


@pytest.mark.parametrize("body", [b'{"errors": {"x": ' + b"1" * 5000 + b"}}", b'{"title": "\\ud800"}', b'{"a":1e999}'])
def test_odd_json_is_survived(body) -> None:
    str(error_for(answer(400, body))).encode()


@given(st.binary(max_size=300))
def test_any_bytes_make_an_error(body) -> None:
    str(error_for(answer(500, body), secrets=["x"])).encode()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
keys = st.sampled_from(["title", "status", "detail", "traceId", "errors", "error", "error_description", "code"])


@given(st.dictionaries(keys, json))
def test_any_problem_makes_an_error(problem) -> None:
    error = error_for(answer(409, problem))
    assert isinstance(error, ConflictError)
    assert all(isinstance(text, str) for texts in error.field_errors.values() for text in texts)


def shown(error: AnsweredError) -> dict[str, str]:
    """Everything that an error shows, by name."""
    return {"str": str(error), "repr": repr(error), "args": repr(error.args)} | {
        name: repr(value) for name, value in vars(error).items()
    }


@pytest.mark.parametrize(
    "problem",
    [
        {"title": f"no {SECRET}"},
        {"detail": f"no {SECRET} at all, {SECRET}"},
        {"error": SECRET, "error_description": SECRET},
        {"code": SECRET},
        {"other": {"deep": [SECRET]}},
        *(
            pytest.param(problem)
            for problem in (
                {"errors": {"client_secret": [f"bad {SECRET}"]}},
                {"errors": {SECRET: ["bad"]}},
                {"errors": {"x": [{"given": SECRET}]}},
                {"traceId": SECRET},
            )
        ),
    ],
    ids="+".join,
)
def test_a_secret_that_is_echoed_is_shown_nowhere(problem) -> None:
    error = error_for(answer(400, problem), secrets=["", SECRET])
    assert [name for name, text in shown(error).items() if SECRET in text] == []


@pytest.mark.parametrize("field", ["detail", "other"])
def test_no_part_of_a_secret_is_shown_at_the_cut(field) -> None:
    for padding in range(EXCERPT_CHARACTERS - 30, EXCERPT_CHARACTERS + 1):
        error = error_for(answer(400, {field: "x" * padding + SECRET}), secrets=[SECRET])
        assert [name for name, text in shown(error).items() if SECRET[:8] in text] == []


def test_an_unusable_answer_tells_why_without_secrets() -> None:
    error = unusable(answer(200, {"token": SECRET}, Content_Type="text/x"), f"no {SECRET}", secrets=[SECRET])
    assert (error.status, error.body) == (200, '{"token":"***"}')
    assert "text/x" in error.message
    assert "no ***" in error.message


@pytest.mark.parametrize(
    ("status", "value", "seconds"), [(429, "7", 7.0), (503, "8.5", 8.5), (400, "1", 1.0), (429, "soon", None)]
)
def test_retry_after_is_told(status, value, seconds) -> None:
    assert error_for(answer(status, Retry_After=value)).retry_after == seconds


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"abc", "abc"),
        (b"\xff", "\ufffd"),
        (b"x" * 500, "x" * 500),
        (b"x" * 501, "x" * 500 + "…"),
        ("é".encode() * 600, "é" * 500 + "…"),
        ("😀".encode() * 600, "😀" * 500 + "…"),
    ],
    ids=range(7),
)
def test_excerpts(body, text) -> None:
    got = excerpt(body)
    if body.startswith("😀".encode()):
        assert got.rstrip("…") == text.rstrip("…")
    else:
        assert got == text


def test_redaction_takes_out_every_secret_and_ignores_empty_ones() -> None:
    assert redact("a b a", ["a", "", "b"]) == "*** *** ***"
    assert msgspec.json.encode(redact("", ["x"])) == b'""'


def test_a_secret_that_the_reading_itself_cut_does_not_show() -> None:
    secret = "s" * 900 + "ecret-of-some-length"
    shown = excerpt((secret * 40).encode(), [secret])
    assert "ss" not in shown


def test_the_names_of_a_problem_may_be_spelled_in_any_way() -> None:
    problem = {"Title": "Bad", "Detail": "worse", "trace_id": "T-1", "Errors": {"Gtin": ["is wrong"]}, "CODE": "C"}
    error = error_for(answer(400, problem))
    assert (error.title, error.trace_id, error.code) == ("Bad", "T-1", "C")
    assert error.field_errors == {"Gtin": ["is wrong"]}


BASE = "https://api.example/seller/v2/stocks"
TARGETS = {
    "https://new.example/seller/v3/stocks": "https://new.example/seller/v3/stocks",
    "https://new.example:8443/v3?token=x#y": "https://new.example:8443/v3",
    "https://user:password@new.example/v3": "https://new.example/v3",
    "http://api.example/seller/v2/stocks": "http://api.example/seller/v2/stocks",
    "//new.example/v3": "https://new.example/v3",
    "/login?next=/stocks": "https://api.example/login",
    "stocks/": "https://api.example/seller/v2/stocks/",
    "": "no address that can be read",
    "https://[new.example/v3": "no address that can be read",
    "https://new.example/\x1b[31m": "no address that can be read",
    "https://new.example:port/": "no address that can be read",
    "javascript:alert(1)": "no address that can be read",
    f"https://new.example/{SECRET}": "https://new.example/***",
}


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", TARGETS)
def test_a_redirect_is_told_with_its_target(status: int, location: str) -> None:
    error = error_for(answer(status, b"", Location=location)._replace(url=BASE), [SECRET])
    assert type(error) is UnusableAnswerError
    assert f"a redirect to {TARGETS[location]}; it is not followed: mend base_url" in str(error)
    assert not any(hidden in str(error) for hidden in ("password", "token=x", SECRET))


def test_an_answer_from_a_cache_that_was_not_asked_is_no_redirect() -> None:
    error = error_for(answer(304))
    assert "redirect" not in str(error)
    assert "304 Not Modified" in str(error)


def test_a_redirect_of_the_token_endpoint_names_its_setting() -> None:
    error = error_for(answer(302, b"", Location="/login")._replace(url="https://auth.example/openid-connect/token"))
    assert "https://auth.example/login" in str(error)
    assert "mend token_url" in str(error)


TITLES = {
    b"<html><head><title>400 No required SSL certificate was sent</title>": "No required SSL certificate was sent",
    b"<TITLE lang='en'>\n Request\n blocked &amp; logged </TITLE>": "Request blocked & logged",
    b"<title>\x1b[31mred\x07</title>": "[31mred",
    b"<title>" + b"x" * 400 + b"</title>": "x" * 100,
}


@pytest.mark.parametrize("body", TITLES)
def test_the_title_of_a_page_says_who_answered(body: bytes) -> None:
    error = error_for(answer(400, body))
    assert TITLES[body] in error.message
    assert error.message.isprintable()


def test_the_texts_of_a_problem_are_one_harmless_line_in_the_message() -> None:
    evil = "\x1b[2J\x9b31m\u202ered\r\nERROR all is lost"
    body = msgspec.json.encode(
        {"title": f"t{evil}", "detail": f"d{evil}", "traceId": evil, "errors": {f"f{evil}": [evil]}}
    )
    error = error_for(answer(400, body))
    assert str(error).isprintable()
    assert all(text in str(error) for text in ("400 t", ": d", "; f", "ERROR all is lost"))
    assert error.title == f"t{evil}"
