"""Names of files that somebody else chose: whatever is wanted, the result is safe in any folder."""

from __future__ import annotations

import mimetypes
import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from octoffm_async.session.decoding.documents import safe_file_name

RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]) *(\..*)?")


def assert_safe(name: str) -> None:
    assert 1 <= len(name) <= 150
    assert not re.search(r"[/\\:*?\"<>|\x00-\x1f\x7f-\x9f]", name)
    assert name.isprintable()
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert not RESERVED.fullmatch(name)
    assert "." in name


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("note.pdf", "note.pdf"),
        ("note", "note.pdf"),
        ("archive.tar.gz", "archive.tar.gz"),
        ("note.", "note.pdf"),
        ("note.pdf...", "note.pdf"),
        ("note. .pdf", "note.pdf"),
        (".bashrc", "bashrc.pdf"),
        ("...hidden.pdf", "hidden.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\x", "x.pdf"),
        ("C:x.pdf", "C_x.pdf"),
        ("\\\\server\\share\\x.exe", "x.exe"),
        ("a\x00b.pdf", "a_b.pdf"),
        ("a\r\nSet-Cookie: x.pdf", "a__Set-Cookie_ x.pdf"),
        ("été.pdf", "_t_.pdf"),
        ("🎉.pdf", "document.pdf"),
        ("\u202efdp.exe", "_fdp.exe"),
        ("CON.pdf", "_CON.pdf"),
        ("con", "_con.pdf"),
        ("Lpt9.tar.gz", "_Lpt9.tar.gz"),
        ("console.pdf", "console.pdf"),
        ("", "document.pdf"),
        (" ", "document.pdf"),
        (".", "document.pdf"),
        ("/", "document.pdf"),
        ("_", "document.pdf"),
        (".pdf", "pdf.pdf"),
    ],
)
def test_names(wanted, name) -> None:
    assert safe_file_name(wanted, "application/pdf") == name
    assert_safe(name)


@pytest.mark.parametrize("number", ["20250301", "A-17"])
def test_names_that_differ_behind_a_dot_stay_different(number) -> None:
    assert safe_file_name(f"Delivery note No.{number}", "application/pdf") == f"Delivery note No.{number}.pdf"


@pytest.mark.parametrize("extension", ["", ".pdf", ".tar.gz", "." + "x" * 5000])
def test_a_long_name_is_cut_and_keeps_its_extension(extension) -> None:
    name = safe_file_name("x" * 5000 + extension, "application/pdf")
    assert_safe(name)
    assert name.endswith((".pdf", ".gz"))


@given(st.text(), st.text() | st.sampled_from(["application/pdf", "image/png", "x/y"]))
@example("con .x.pdf", "application/pdf")
def test_any_name_is_safe(wanted, media_type) -> None:
    assert_safe(safe_file_name(wanted, media_type))


@pytest.mark.parametrize("fallback", [".bashrc", "..", "", " ", " x"])
def test_any_fallback_is_safe(fallback) -> None:
    assert_safe(safe_file_name("", "application/pdf", fallback=fallback))


async def test_naming_a_document_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimetypes, "inited", False)
    monkeypatch.setattr(mimetypes, "_db", None)
    opened: list[object] = []
    monkeypatch.setattr(os.path, "isfile", lambda path: bool(opened.append(path)))
    safe_file_name("note", "application/pdf")
    assert opened == []
