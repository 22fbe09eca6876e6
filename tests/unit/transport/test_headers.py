"""What the API writes in headers: read with suspicion."""

import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from octoffm_async.errors import PagingError, ValidationError
from octoffm_async.transport.headers import (
    clock_of,
    identifier_in,
    next_query,
    next_target,
    origin,
    parse_retry_after,
    path_segment,
)

NOW = 1_750_000_000.0
REQUESTED = "https://api.example/seller/v2/stocks?limit=10"


def date(seconds: float) -> str:
    return formatdate(NOW + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("0", 0.0),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("-0.0", 0.0),
        ("nan", None),
        ("-nan", None),
        ("inf", None),
        ("-inf", None),
        ("Infinity", None),
        ("1e999", None),
        ("1e9", 1e9),
        ("soon", None),
        ("5 seconds", 5.0),
        ("1s", 1.0),
        ("90.5 SEC", 90.5),
        ("2 minutes", 120.0),
        ("3000ms", 3.0),
        ("5 hours", None),
        ("s", None),
        ("-5s", None),
        ("5,6", None),
        ("0x10", None),
        ("\x00", None),
        (date(90), 90.0),
        (date(0), 0.0),
        (date(-90), 0.0),
        (f" {date(90)} ", 90.0),
        (format_datetime(datetime.fromtimestamp(NOW + 60, timezone(timedelta(hours=2)))), 60.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", None),
        ("21 October", None),
        ("2025-06-15T15:06:40Z", None),
    ],
)
def test_retry_after(value, seconds) -> None:
    assert parse_retry_after(value, wall_now=NOW) == (seconds if seconds is None else pytest.approx(seconds, abs=1))


@pytest.fixture
def new_york(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    "zone",
    [
        "GMT",
        "UTC",
        "+0000",
        *(pytest.param(zone) for zone in ("-0000", "")),
    ],
)
def test_a_date_means_the_same_wherever_the_client_runs(zone) -> None:
    assert parse_retry_after(date(90).replace("GMT", zone), wall_now=NOW) == pytest.approx(90)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ [-+A-Z0-9]{1,9}"))
def test_any_retry_after_is_a_wait_or_nothing(value) -> None:
    seconds = parse_retry_after(value, wall_now=NOW)
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (None, None),
        ("", None),
        ('</a>; rel="next"', "/a"),
        ("</a>; rel=next", "/a"),
        ("</a>;rel=next", "/a"),
        ('</a> ; REL = "NEXT"', "/a"),
        ('</a>; rel="prev next"', "/a"),
        ('</a>; rel="next prev"', "/a"),
        ('</a>; rel="prev"', None),
        pytest.param('</a>; rel=""', None),
        ("</a>; rel='next'", "/a"),
        ("</a>; rel='prev next'", "/a"),
        ("</a>; rel='prev'", None),
        ("</a>; title='x'; rel='next'", "/a"),
        ('</a?x=1&amp;y=2>; rel="next"', "/a?x=1&y=2"),
        ("</a?page=next>; rel=prev", None),
        (" , ;", None),
        ('broken; rel="prev", </b>; rel="next"', "/b"),
        ('</a>; rel="prev", </b>; rel="next"', "/b"),
        ('</a>; rel="prev",</b>;rel=next,</c>; rel="last"', "/b"),
        ('</a>; rel="next", </a>; rel="next"', "/a"),
        ('</a?x=1>; rel="next", <https://api.example/a?x=1>; rel="next"', "/a?x=1"),
        ('</a>, </b>; rel="next"', "/b"),
        ('</a>; title="x, y; z"; rel="next"', "/a"),
        ("</a>; title*=UTF-8''x; rel=next", "/a"),
        ('</a?x=1,2;3>; rel="next"', "/a?x=1,2;3"),
        ('<>; rel="next"', ""),
        ('<https://api.example/a>; rel="next"', "https://api.example/a"),
        *(pytest.param(link, "/a") for link in ('</a>; crossorigin; rel="next"', r'</a>; title="a \"b\""; rel="next"')),
    ],
)
def test_the_next_target(link, target) -> None:
    assert next_target(link) == target


@pytest.mark.parametrize(
    "link",
    [
        "garbage",
        "</a>",
        '</a>; title="b"',
        '</a>; rel="prev", </b>',
        '/a; rel="next"',
        '</a; rel="next"',
        "</a?cursor=b",
        "</a> rel=next",
        '</a>; title="next"',
        '</a>; rel="nextish"',
        '</a>; rev="next"',
        '</a>; title="; rel=next"; rel="prev"',
        '</a>; rel="https://api.example/rels/next"',
        '</a>; rel="prev", </b; rel="next"',
        '</a>; rel="prev", /b',
        "NEXT",
        '</a>; rel="next", </b>; rel="next"',
        '</a?cursor=b>; rel="next", </a?cursor=c>; rel="next prefetch"',
    ],
)
def test_a_link_that_cannot_be_read_is_not_the_end(link) -> None:
    with pytest.raises(PagingError, match="Link header"):
        next_target(link)


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/seller/v2/stocks?cursor=abc&limit=10", {"cursor": "abc", "limit": "10"}),
        ("?cursor=abc", {"cursor": "abc"}),
        ("stocks?cursor=abc", {"cursor": "abc"}),
        ("/stocks?cursor=abc", {"cursor": "abc"}),
        ("/other/prefix/stocks/?cursor=abc", {"cursor": "abc"}),
        ("//api.example/seller/v2/stocks?cursor=abc", {"cursor": "abc"}),
        ("https://api.example/seller/v2/stocks?cursor=abc", {"cursor": "abc"}),
        ("HTTPS://API.EXAMPLE:443/seller/v2/stocks?cursor=abc", {"cursor": "abc"}),
        ("?cursor=a%2Bb%3D%26c+d", {"cursor": "a+b=&c d"}),
        ("?cursor=&limit=", {"cursor": "", "limit": ""}),
        ("?cursor=é", {"cursor": "é"}),
        ("https:///seller/v2/stocks?cursor=abc", {"cursor": "abc"}),
        ("", {"limit": "10"}),
        ("/seller/v2/stocks", {}),
        ("#top", {"limit": "10"}),
    ],
)
def test_the_next_query(target, query) -> None:
    assert next_query(f'<{target}>; rel="next"', requested=REQUESTED) == query


@pytest.mark.parametrize("link", [None, "", "</x>; rel=prev"])
def test_without_a_link_it_is_the_last_page(link) -> None:
    assert next_query(link, requested=REQUESTED) is None


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/seller/v2/stocks?cursor=a",
        "http://api.example/seller/v2/stocks?cursor=a",
        "https://api.example:444/seller/v2/stocks?cursor=a",
        pytest.param("https://api.example:0/seller/v2/stocks?cursor=a"),
        "//evil.example/seller/v2/stocks?cursor=a",
        "https://api.example@evil.example/seller/v2/stocks",
        "https://api.example:443@evil.example/seller/v2/stocks",
        "https://api.example.evil.example/seller/v2/stocks",
        "https://api.example.:443/seller/v2/stocks",
        "https://evil.example\\@api.example.evil/seller/v2/stocks",
        "https://api.example:99999/seller/v2/stocks",
        "https://api.example:port/seller/v2/stocks",
        "https://api.example:-1/seller/v2/stocks",
        "ftp://api.example/seller/v2/stocks",
        "javascript:alert(1)",
        "data:,stocks",
        "file:///seller/v2/stocks",
    ],
)
def test_another_origin_is_not_followed(target) -> None:
    with pytest.raises(PagingError, match="another origin"):
        next_query(f'<{target}>; rel="next"', requested=REQUESTED)


@pytest.mark.parametrize(
    "target",
    [
        "/seller/v2/outbound-shipments?cursor=a",
        "/",
        "..",
        "/seller/v2/stocks/1",
        "/seller/v2/Stocks",
        "/%73tocks",
        "/seller/v2/stocks;x?cursor=a",
        "\\\\evil.example\\stocks?cursor=a",
        "/seller/v2/stocks%2f",
    ],
)
def test_another_list_is_not_followed(target) -> None:
    with pytest.raises(PagingError, match="is said to be on"):
        next_query(f'<{target}>; rel="next"', requested=REQUESTED)


def test_a_parameter_with_two_values_is_not_followed() -> None:
    assert next_query('<?cursor=a&cursor=a>; rel="next"', requested=REQUESTED) == {"cursor": "a"}
    with pytest.raises(PagingError, match="more than once"):
        next_query('<?cursor=a&cursor=b>; rel="next"', requested=REQUESTED)


@pytest.mark.parametrize("target", ["//[", "https://[api.example/stocks", "https://a\u2100b/stocks", "//[::1"])
def test_an_unreadable_address_is_not_followed(target) -> None:
    with pytest.raises(PagingError):
        next_query(f'<{target}>; rel="next"', requested=REQUESTED)


addresses = st.text() | st.text('<>[]/\\:@?#%;=,." \tabn0', max_size=30)


@given(addresses.filter(lambda text: "[" not in text and "]" not in text and text.isascii()))
@example("//evil.example")
@example("/seller/v2/stocks")
def test_no_address_raises_anything_else(target) -> None:
    try:
        found = next_query(f'<{target}>; rel="next"', requested=REQUESTED)
    except PagingError:
        return
    assert found is None or all(isinstance(value, str) for value in found.values())


@given(addresses)
def test_a_link_is_read_or_refused(link) -> None:
    try:
        target = next_target(link)
    except PagingError:
        assert link.strip()
        return
    assert target is None or target in link.replace("&amp;", "&")


@given(addresses)
def test_no_address_is_without_an_origin(url) -> None:
    assert origin(url)


@pytest.mark.parametrize(
    "link", ["<" * 8000, "<>;" * 2600, "<>; a=" + " " * 8000, "<>" + "; a=b" * 1600 + "\x00", "<>;a='" * 1600]
)
def test_a_hostile_link_is_read_quickly(link) -> None:
    before = time.perf_counter()
    try:
        assert next_target(link) is None
    except PagingError:
        pass
    assert time.perf_counter() - before < 0.5


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a", "https://a:443/x", True),
        ("http://a", "http://a:80", True),
        ("http://A/", "HTTP://a", True),
        ("https://u:p@a", "https://a", True),
        ("http://[::1]:8", "http://[::1]:8/x", True),
        ("http://a:443", "https://a", False),
        ("https://a", "https://b", False),
        ("https://a:1", "https://a:2", False),
        ("https://a:x", "https://a", False),
        ("https://a:x", "https://a:y", False),
    ],
)
def test_origins(one, other, same) -> None:
    assert (origin(one) == origin(other)) is same


COLLECTION = "outbound-shipments"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"Location": ""}, None),
        ({"Location": "/"}, None),
        ({"Location": "https://api.example"}, None),
        ({"Location": "/outbound-shipments/S-1"}, "S-1"),
        ({"Location": "outbound-shipments/S-1"}, "S-1"),
        ({"Location": "/outbound-shipments/S-1/"}, "S-1"),
        ({"Location": "/Outbound-Shipments/S-1"}, "S-1"),
        ({"Location": "https://api.example/seller/v2/outbound-shipments/S-1?x=1#y"}, "S-1"),
        ({"Location": "/outbound-shipments/S%2F1%20x"}, "S/1 x"),
        ({"Content-Location": "/outbound-shipments/S-2"}, "S-2"),
        ({"Location": "/outbound-shipments/S-1", "Content-Location": "/outbound-shipments/S-2"}, "S-1"),
        ({"Location": "/", "Content-Location": "/outbound-shipments/S-2"}, "S-2"),
        ({"Location": "/operations/op-1", "Content-Location": "/outbound-shipments/S-2"}, "S-2"),
        ({"Location": "S-1"}, None),
        ({"Location": "/a/S-1"}, None),
        ({"Location": "/outbound-shipments"}, None),
        ({"Location": "/outbound-shipments/"}, None),
        ({"Location": "/outbound-shipments/%20"}, None),
        ({"Location": "/outbound-shipments?id=S-1"}, None),
        ({"Location": "/outbound-shipments/S-1/parcels/3"}, None),
        ({"Location": "/login?next=/outbound-shipments/S-1"}, None),
    ],
)
def test_identifiers(headers, found) -> None:
    assert identifier_in(headers, collection=COLLECTION) == found


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_an_unreadable_location_holds_no_identifier(name) -> None:
    assert identifier_in({name: "https://[/outbound-shipments/S-1"}, collection=COLLECTION) is None


@given(st.text("/\\:@?#%;=.\x00\x7fé a0S-", max_size=40))
def test_no_location_raises(value) -> None:
    for location in (value, f"/{COLLECTION}/{value}"):
        found = identifier_in({"Location": location}, collection=COLLECTION)
        assert found is None or found.strip()


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("S-1", "S-1"),
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("..\\x", "..%5Cx"),
        ("...", "..."),
        ("%2f", "%252f"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
        ("{stockId}", "%7BstockId%7D"),
        ("@:;", "%40%3A%3B"),
    ],
)
def test_path_segments(value, segment) -> None:
    assert path_segment("stockId", value) == segment


@pytest.mark.parametrize(
    "value", ["", " ", "\t", ".", "..", "a\nb", "a\r\nHost: evil", "\x00", "a\x7f", "a\u202eb", "\ud800", "a\u2028"]
)
def test_what_cannot_be_a_path_segment(value) -> None:
    with pytest.raises(ValidationError) as caught:
        path_segment("stockId", value)
    assert [(problem.field, problem.value) for problem in caught.value.problems] == [("stock_id", value)]


@given(st.text())
def test_a_segment_never_leaves_its_place(value) -> None:
    try:
        segment = path_segment("stockId", value)
    except ValidationError:
        return
    assert segment.isascii()
    assert segment not in {"", ".", ".."}
    assert not set(segment) & set("/\\?#@:&= \r\n\t")


def test_the_time_of_the_tables_is_the_one_that_dates_are_made_of() -> None:
    assert datetime.fromtimestamp(NOW, UTC).strftime("%H:%M:%S") in date(0)


@pytest.mark.parametrize(
    ("head", "reported"),
    [
        ({}, None),
        ({"Date": "Mon, 30 Nov 2026 12:00:00 GMT"}, "2026-11-30T12:00:00+00:00"),
        ({"Date": "Mon, 30 Nov 2026 12:00:00 GMT", "Age": "90"}, "2026-11-30T12:01:30+00:00"),
        ({"Date": "Mon, 30 Nov 2026 12:00:00 GMT", "Age": "9" * 99}, "2058-08-08T13:46:39+00:00"),
        ({"Date": "Fri, 31 Dec 9999 23:59:59 GMT", "Age": "90"}, None),
        ({"Date": "Mon, 01 Jan 1601 00:00:00 GMT"}, None),
        ({"Date": "noon"}, None),
    ],
)
def test_the_clock_of_whoever_answered(head, reported) -> None:
    clock = clock_of(CIMultiDict(head))
    assert (clock and clock.isoformat()) == reported
