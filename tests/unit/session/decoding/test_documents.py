"""Documents in answers: what is one, what is none, under which name it is kept, and who is never asked for it."""

from __future__ import annotations

import base64
import contextlib
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from octoffm_async import Document
from octoffm_async.contract.operations import GET_DELIVERY_NOTE
from octoffm_async.session.decoding.answers import UnusableError
from octoffm_async.transport.response import Response
from tests.support.fakes import read_twice
from tests.unit.session.decoding.test_file_names import assert_safe

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\n%%EOF"
BASE64 = base64.b64encode(PDF).decode()
ASKED = "http://127.0.0.1:9/seller/v2/inbound-shipments/IN-1/delivery-notes"
ORIGIN = "http://127.0.0.1:9"


def given_as(body: Any, kind: str | None = "application/json", **headers: str) -> Response:
    """A 2xx answer; text and objects are encoded as JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    if kind is not None:
        named["Content-Type"] = kind
    return Response(200, named, content, ASKED)


def document(response: Response) -> Document:
    found = read_twice(GET_DELIVERY_NOTE, response)
    assert isinstance(found, Document)
    return found


@pytest.mark.parametrize(
    "kind", ["application/pdf", "Application/PDF; x=y", " application/pdf ;charset=binary", None, ""]
)
def test_pdf_bytes_are_the_document(kind) -> None:
    found = document(given_as(PDF, kind))
    assert found == Document(content=PDF, media_type="application/pdf", file_name="delivery-notes-IN-1.pdf")


@pytest.mark.parametrize("lead", [b"\xef\xbb\xbf", b"\r\n" * 10, b"x" * 1000])
def test_a_pdf_may_begin_a_little_later(lead) -> None:
    assert document(given_as(lead + PDF, "application/pdf")).content == lead + PDF


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "application/octet-stream"])
def test_another_kind_of_document_is_kept_as_it_is(kind) -> None:
    found = document(given_as(b"\x89PNG", kind))
    assert (found.content, found.media_type) == (b"\x89PNG", kind)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/HAL+JSON"])
@pytest.mark.parametrize(
    "content",
    [
        BASE64,
        f"\n {BASE64[:20]}\r\n{BASE64[20:40]} \t{BASE64[40:]} ",
        f"data:application/pdf;base64,{BASE64}",
        f"data:;base64,{BASE64}",
        f"data:application/pdf;name=note.pdf;base64,{BASE64}",
    ],
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_base64_inside_json(kind, content, wrapped) -> None:
    found = document(given_as({"content": content} if wrapped else content, kind))
    assert (found.content, found.media_type) == (PDF, "application/pdf")


@given(st.binary(min_size=1).filter(lambda content: content.strip()), st.sampled_from(["image/png", "text/plain"]))
def test_any_bytes_come_out_of_base64_as_they_went_in(content, kind) -> None:
    body = {"content": base64.encodebytes(content).decode(), "mediaType": kind, "fileName": "a.b"}
    assert document(given_as(body)) == Document(content=content, media_type=kind, file_name="a.b")


def test_a_huge_document_inside_json() -> None:
    content = PDF + bytes(5_000_000)
    assert document(given_as({"content": base64.b64encode(content).decode()})).content == content


def test_the_kind_that_json_names_wins_over_that_of_its_data_url() -> None:
    body = {"content": f"data:image/gif;base64,{BASE64}", "mediaType": "image/png"}
    assert document(given_as(body)).media_type == "image/png"
    assert document(given_as({"content": body["content"]})).media_type == "image/gif"


def test_content_wins_over_an_address() -> None:
    assert document(given_as({"content": BASE64, "url": "https://evil.example/"})).content == PDF


@pytest.mark.parametrize(
    ("body", "kind", "reported"),
    [
        (b"", "application/pdf", "empty"),
        (b" \r\n", "application/pdf", "empty"),
        (b"", None, "empty"),
        (b"", "application/json", "not JSON"),
        (b"", "image/png", "empty"),
        (b"<html>Sign in</html>", "text/html", "web page"),
        (PDF, "text/html; charset=utf-8", "web page"),
        (b"<html/>", "application/xhtml+xml", "web page"),
        (b"<html>Sign in</html>", "application/pdf", "is none"),
        (b"<html>Sign in</html>", None, "is none"),
        (b"x" * 2000 + PDF, "application/pdf", "is none"),
        (PDF, "application/json", "not JSON"),
        (b'{"content": "JVBER', "application/json", "not JSON"),
        (b'"\xff"', "application/json", "not Base64"),
        (b"[" * 100_000, "application/json", "not JSON"),
        ({}, "application/json", "neither content nor url"),
        ({"content": None, "url": None}, "application/json", "neither content nor url"),
        ({"content": "", "url": ""}, "application/json", "neither content nor url"),
        ({"title": "Not ready"}, "application/problem+json", "neither content nor url"),
        ("", "application/json", "neither content nor url"),
        (None, "application/json", "not what is expected"),
        (True, "application/json", "not what is expected"),
        (5, "application/json", "not what is expected"),
        ([], "application/json", "not what is expected"),
        ([{"content": BASE64}], "application/json", "not what is expected"),
        ({"content": 5}, "application/json", "not Base64"),
        ({"content": [37, 80, 68, 70]}, "application/json", "holds neither"),
        ({"url": {"href": "/x"}}, "application/json", "holds neither"),
        ({"content": "not Base64!"}, "application/json", "not Base64"),
        ({"content": BASE64[:-1]}, "application/json", "not Base64"),
        ({"content": BASE64 + "="}, "application/json", "not Base64"),
        ({"content": "=" + BASE64}, "application/json", "not Base64"),
        ({"content": "JVBERi0-_w=="}, "application/json", "not Base64"),
        ({"content": "é"}, "application/json", "not Base64"),
        ({"content": "data:application/pdf,%25PDF-"}, "application/json", "not Base64"),
        ({"content": "  "}, "application/json", "empty"),
        ({"content": base64.b64encode(b"no PDF").decode()}, "application/json", "is none"),
        ("javascript:alert(1)", "application/json", "not Base64"),
        ("file:///etc/passwd", "application/json", "not Base64"),
    ],
)
def test_what_is_no_document_is_told_why(body, kind, reported) -> None:
    with pytest.raises(UnusableError, match=reported) as caught:
        read_twice(GET_DELIVERY_NOTE, given_as(b"null" if body is None else body, kind))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("/files/1", f"{ORIGIN}/files/1"),
        ("1.pdf", f"{ORIGIN}/seller/v2/inbound-shipments/IN-1/1.pdf"),
        ("../2?sig=a%2Bb&x=/", f"{ORIGIN}/seller/v2/inbound-shipments/2?sig=a%2Bb&x=/"),
        ("?as=pdf", f"{ASKED}?as=pdf"),
        (f"{ORIGIN}/files/1", f"{ORIGIN}/files/1"),
        ("HTTP://127.0.0.1:9/files/1", f"{ORIGIN}/files/1"),
        ("http://127.0.0.1:09/files/1", "http://127.0.0.1:09/files/1"),
        ("//127.0.0.1:9/files/1", f"{ORIGIN}/files/1"),
    ],
)
def test_an_address_on_our_origin_is_made_absolute(url, absolute) -> None:
    found = read_twice(GET_DELIVERY_NOTE, given_as({"url": url}))
    assert isinstance(found, str)
    assert found.replace("HTTP:", "http:") == absolute


@pytest.mark.parametrize("url", ["/files/1", f"{ORIGIN}/files/1"])
def test_a_bare_address_in_json(url) -> None:
    assert read_twice(GET_DELIVERY_NOTE, given_as(url)) == f"{ORIGIN}/files/1"


FOREIGN = [
    "https://evil.example/x",
    "//evil.example/x",
    "https://127.0.0.1:9/x",
    "http://127.0.0.1/x",
    "http://127.0.0.1:10/x",
    "http://127.0.0.1:9@evil.example/x",
    "http://127.0.0.1:9\\@evil.example/x",
    "http://127.0.0.1:9.evil.example/x",
    "http://127.0.0.1.evil.example:9/x",
    "http://localhost:9/x",
    "http://[::1]:9/x",
    "http://[::1/x",
    "http://127.0.0.1:x/x",
    "http://127.0.0.1:99999/x",
    "\thttp://evil.example/x",
    "ht\ntp://evil.example/x",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "ftp://127.0.0.1:9/x",
    "data:application/pdf;base64,JVBERi0=",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_an_address_elsewhere_is_refused(url) -> None:
    with pytest.raises(UnusableError, match=r"another origin|cannot be read"):
        read_twice(GET_DELIVERY_NOTE, given_as({"url": url}))


@pytest.mark.parametrize("url", ["/a b", "/a\u00a0b", "/é", "/a\x7f", "/\u202egpj.exe"])
def test_an_address_that_cannot_be_sent_is_refused(url) -> None:
    with pytest.raises(UnusableError, match="cannot be read"):
        read_twice(GET_DELIVERY_NOTE, given_as({"url": url}))


@given(st.text() | st.from_regex(r"[a-z]{0,5}:?/{0,3}[^/]{0,12}@?[0-9.:\\]{0,20}/?.*", fullmatch=True))
@example("http:\\\\evil.example/")
@example("/\\evil.example/")
def test_no_address_leads_elsewhere(url) -> None:
    try:
        found = read_twice(GET_DELIVERY_NOTE, given_as({"url": url}))
    except UnusableError:
        return
    assert isinstance(found, str)
    parts = urlsplit(found)
    assert (parts.scheme, parts.hostname, parts.port) == ("http", "127.0.0.1", 9)
    assert found.isascii()
    assert found.isprintable()


@pytest.mark.parametrize("url", ["http://user:pw@127.0.0.1:9/x", "http://user@127.0.0.1:9/x", "//:pw@127.0.0.1:9/x"])
def test_an_address_with_a_user_name_is_refused(url) -> None:
    with pytest.raises(UnusableError):
        read_twice(GET_DELIVERY_NOTE, given_as({"url": url}))


def test_an_address_that_cannot_be_read_makes_no_endless_message() -> None:
    with pytest.raises(UnusableError) as caught:
        read_twice(GET_DELIVERY_NOTE, given_as({"url": "http://127.0.0.1:99999/" + "x" * 1_000_000}))
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("", "delivery-notes-IN-1.pdf"),
        ("attachment", "delivery-notes-IN-1.pdf"),
        ("attachment; filename=note.pdf", "note.pdf"),
        ('attachment; filename="my note.pdf"', "my note.pdf"),
        ('Attachment; FILENAME="note.PDF"', "note.PDF"),
        ('inline;filename="a;b=c.pdf"', "a_b_c.pdf"),
        ('attachment; filename="a\\"b.pdf"', "a_b.pdf"),
        ("attachment; filename*=UTF-8''bon%20de%20livraison.pdf", "bon de livraison.pdf"),
        ("attachment; filename*=UTF-8'fr'a%2F..%2Fb.pdf", "b.pdf"),
        ("attachment; filename*=UTF-8''..%5C..%5Cb.pdf", "b.pdf"),
        ("attachment; filename*=nosuch''a.pdf", "a.pdf"),
        ("attachment; filename*=UTF-8''%00%0A.pdf", "delivery-notes-IN-1.pdf"),
        ("attachment; filename*=UTF-8''%FF%FE", "delivery-notes-IN-1.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd.pdf"),
        ('attachment; filename="/"', "delivery-notes-IN-1.pdf"),
        ('attachment; filename=".."', "delivery-notes-IN-1.pdf"),
        ('attachment; filename="C:\\\\x\\\\y.pdf"', "y.pdf"),
        ('attachment; filename=""', "delivery-notes-IN-1.pdf"),
        ('attachment; filename="unclosed', "_unclosed.pdf"),
        ("attachment; filename", "delivery-notes-IN-1.pdf"),
        ("; ; =", "delivery-notes-IN-1.pdf"),
    ],
)
def test_the_name_in_content_disposition(disposition, name) -> None:
    assert document(given_as(PDF, "application/pdf", Content_Disposition=disposition)).file_name == name


@pytest.mark.parametrize(
    "disposition", ["attachment; filename*=utf-8''a; filename*0=b", "attachment; filename*1*=b; filename*=a"]
)
def test_a_content_disposition_in_two_broken_forms_loses_no_document(disposition) -> None:
    assert document(given_as(PDF, "application/pdf", Content_Disposition=disposition)).content == PDF


PIECES = [
    "attachment",
    ";",
    "filename",
    "*",
    "=",
    '"',
    "''",
    "utf-8",
    "%20",
    "%",
    "\\",
    "a.pdf",
    " ",
    "é",
    "\udcff",
    "1",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text())
def test_no_content_disposition_loses_a_document(disposition) -> None:
    if re.search(r"(?i)filename\*\d", disposition):
        return  # see the test before this one
    found = document(given_as(PDF, "application/pdf", Content_Disposition=disposition))
    assert found.content == PDF
    assert_safe(found.file_name)


@given(st.binary(max_size=200), st.none() | st.text(max_size=40) | st.sampled_from(["application/json", "text/html"]))
def test_any_answer_is_a_document_or_an_address_or_told_to_be_none(body, kind) -> None:
    found: object = None
    with contextlib.suppress(UnusableError):
        found = read_twice(GET_DELIVERY_NOTE, given_as(body, kind))
    assert isinstance(found, Document | str | None)


@pytest.mark.parametrize("kind", ["image/png\r\nSet-Cookie: a=b", "image", "é/é", "a b/c", "image/png\x00"])
def test_a_media_type_can_stand_in_a_header(kind) -> None:
    try:
        found = document(given_as({"content": BASE64, "mediaType": kind}))
    except UnusableError:
        return
    assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", found.media_type, re.ASCII)


def test_a_document_does_not_show_its_bytes() -> None:
    assert repr(document(given_as(PDF, "application/pdf"))) == (
        f"Document('delivery-notes-IN-1.pdf', application/pdf, {len(PDF)} bytes)"
    )


def test_an_address_makes_no_hidden_file() -> None:
    response = given_as(PDF, "application/pdf")._replace(url=f"{ORIGIN}/.profile")
    assert_safe(document(response).file_name)
