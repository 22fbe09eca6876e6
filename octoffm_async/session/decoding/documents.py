"""Documents in responses: bytes, Base64 in JSON, or an address on the API's origin. Pure functions."""

from __future__ import annotations

import base64
import binascii
import re
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from ...contract.common import Document, DocumentAnswer
from ...transport.headers import origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...transport.response import Response

PDF = "application/pdf"
NAME_MOST = 120

_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_UNSAFE = re.compile(r"[^\w.() -]", re.ASCII)
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d) *(\..*)?")
_EXTENSIONS = {
    PDF: "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/svg+xml": "svg",
    "text/plain": "txt",
    "text/csv": "csv",
    "application/zip": "zip",
    "application/zpl": "zpl",
    "application/x-zpl": "zpl",
}
_JPEG = "/9j/"  # how Base64 of every JPEG begins
_PDF_WITHIN = 1024  # PDF readers accept a header that far in
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,")


class UnusableDocumentError(Exception):
    """An error: a response contains no document, for the reason in its text."""


def document_in(response: Response, described: Callable[[Response], DocumentAnswer | str]) -> Document | str:
    """Return the document of a 2xx response, or the absolute address of one; ``described`` reads the JSON of one.

    Raises:
        UnusableDocumentError: There is no document, it is broken, or its address is on another origin.
    """
    kind = _media_type(response.headers.get("Content-Type", ""))
    if _JSON.fullmatch(kind):
        return _from_json(response, described(response))
    if kind in ("text/html", "application/xhtml+xml"):
        raise UnusableDocumentError("it is a web page, not a document")
    return _document(response.body, kind or PDF, _disposition_name(response.headers), response.url)


def safe_file_name(suggested: str, media_type: str, *, fallback: str = "document") -> str:
    """Return ``suggested`` as a name that is safe in any folder: no path or control characters, with an extension."""
    name = _bare(suggested) or _bare(fallback) or "document"
    stem, dot, extension = name.rpartition(".")
    if not (dot and stem and 1 <= len(extension) <= 5 and extension.isalnum()):
        stem, extension = name, _EXTENSIONS.get(media_type, "bin")
    stem = stem[: NAME_MOST - len(extension) - 1].rstrip(" .")
    return f"_{stem}.{extension}" if _RESERVED.fullmatch(stem) else f"{stem}.{extension}"


def _bare(text: str) -> str:
    """Return the last part of a path in safe characters; empty if no part of a name remains."""
    name = _UNSAFE.sub("_", re.split(r"[/\\]", text)[-1]).strip(" .")
    return name if name.partition(".")[0].strip("_ ") else ""


def _from_json(response: Response, answer: DocumentAnswer | str) -> Document | str:
    if isinstance(answer, str):
        is_address = answer.startswith(("http://", "https://", "/")) and not answer.startswith(_JPEG)
        answer = DocumentAnswer(url=answer) if is_address else DocumentAnswer(content=answer)
    if answer.content:
        content, declared_type = _decoded(answer.content)
        return _document(
            content, _media_type(answer.media_type or declared_type) or PDF, answer.file_name, response.url
        )
    if answer.url:
        return _address(answer.url, response.url)
    raise UnusableDocumentError("the JSON holds neither content nor url")


def _decoded(content: str) -> tuple[bytes, str]:
    declared_type = ""
    if (matched := _DATA_URL.match(content)) is not None:
        declared_type, content = matched[1] or "", content[matched.end() :]
    try:
        return base64.b64decode("".join(content.split()), validate=True), declared_type
    except (binascii.Error, ValueError) as error:
        raise UnusableDocumentError(f"its content is not Base64: {error}") from None


def _address(url: str, requested: str) -> str:
    try:
        absolute = urljoin(requested, url)
        with_user = "@" in urlsplit(absolute).netloc
    except ValueError:
        raise UnusableDocumentError("its address cannot be read") from None
    if with_user or not absolute.isascii() or not absolute.isprintable() or " " in absolute:
        raise UnusableDocumentError("its address cannot be read")
    if origin(absolute) != origin(requested):
        raise UnusableDocumentError(f"it is on another origin, {origin(absolute)[:200]}: not followed")
    return absolute


def _document(content: bytes, media_type: str, name: str | None, url: str) -> Document:
    if not content.strip():
        raise UnusableDocumentError("it is empty")
    if media_type == PDF and b"%PDF-" not in content[:_PDF_WITHIN]:
        raise UnusableDocumentError("it is said to be a PDF and is none")
    fallback = "-".join(reversed([unquote(part) for part in urlsplit(url).path.split("/") if part][-2:]))
    file_name = safe_file_name(name or "", media_type, fallback=fallback or "document")
    return Document(content=content, media_type=media_type, file_name=file_name)


def _media_type(text: str) -> str:
    """Return the bare media type, safe to be put in a header again; empty if the header is missing."""
    kind = text.partition(";")[0].strip().lower()
    return kind if not kind or _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"


def _disposition_name(headers: Mapping[str, str]) -> str | None:
    """Return the file name in ``Content-Disposition``, in either of its two forms."""
    message = Message()
    try:
        message["Content-Disposition"] = headers.get("Content-Disposition", "")
        return message.get_filename()
    except (ValueError, LookupError, TypeError):  # the email package fails on some broken forms
        return None
