"""Records of a call and of a whole probe: shapes and fixed words, ready to be written to a file. Pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from ..transport.headers import http_date, next_target
from .shapes import ValueShape, readable, shape_of
from .words import enum_words_in, is_header_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..transport.response import Response
    from .words import Censor

HEADERS_MOST = 60
_MEDIA_TYPE = re.compile(r"(application|text|image)/[a-z.+-]{1,40}")
_METHOD = re.compile(r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE")
_RELATION = re.compile(r"rel\s*=\s*\"?(next|prev|previous|first|last|self)\b", re.IGNORECASE)
_RATE = re.compile(r"rate-?limit|quota|throttl", re.IGNORECASE)
_HTML = re.compile(rb"\s*<(!doctype|html|head|body)", re.IGNORECASE)

Outcome = Literal["answered", "skipped", "no answer"]
BodyKind = Literal["json", "html", "pdf", "empty", "other", "too large"]


class CallRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The record of one call: the request, and the shape of the answer.

    ``outcome`` is ``answered``, ``skipped`` or ``no answer``; ``why`` is the reason in fixed words.
    """

    step: int
    name: str
    call: str
    settles: str
    # Factories, because msgspec would omit plain defaults from the file.
    outcome: Outcome = msgspec.field(default_factory=lambda: "no answer")
    operation: str = ""
    why: str = msgspec.field(default_factory=lambda: "the probe ended before it")
    status: int | None = None
    headers: list[str] = msgspec.field(default_factory=list[str])
    media_type: str = ""
    body: BodyKind | None = None
    shape: ValueShape | None = None
    rows: int | None = None
    """The number of rows of a list."""
    retry_after: str = ""
    """``seconds``, ``date`` or ``other``: the form, never the value."""
    link: str = ""
    """The form of the link to the next page."""
    relations: list[str] = msgspec.field(default_factory=list[str])
    allow: list[str] = msgspec.field(default_factory=list[str])
    listed_values: list[str] = msgspec.field(default_factory=list[str])
    """Values of an enum that a refusal lists."""
    notes: list[str] = msgspec.field(default_factory=list[str])

    @property
    def good(self) -> bool:
        """True if the answer was a success (2xx)."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def came(self) -> str:
        """The answer in a few words, or the reason why there is none."""
        if self.outcome == "skipped" or self.status is None:
            return self.why
        return f"{self.status}{f' {self.body}' if self.body not in (None, 'json') else ''}"

    @property
    def rate_headers(self) -> list[str]:
        """The names of headers about a rate limit."""
        return [name for name in self.headers if _RATE.search(name)]


def read_answer(kept: CallRecord, response: Response, censor: Censor) -> object:
    """Record the shape of an answer; return its JSON values for the choice of the next calls (``None`` without any)."""
    headers = response.headers
    kept.outcome = "answered"
    kept.status = response.status
    kept.headers = _header_names(headers)
    kept.media_type = _media_type(headers.get("Content-Type", ""))
    kept.retry_after = retry_after_form(headers.get("Retry-After"))
    kept.link = link_form(headers.get("Link"))
    kept.relations = list(dict.fromkeys(name.lower() for name in _RELATION.findall(headers.get("Link", ""))))
    kept.allow = _METHOD.findall(headers.get("Allow", ""))
    if 300 <= response.status < 400:
        kept.notes.append("a redirect: not followed")
    return _read_body(kept, response.body, censor)


def _read_body(kept: CallRecord, body: bytes, censor: Censor) -> object:
    if not body.strip():
        kept.body = "empty"
        return None
    if body.startswith(b"%PDF-"):
        kept.body = "pdf"
        return None
    if _HTML.match(body):
        kept.body = "html"
        return None
    try:
        values = readable(body)
    except ValueError:
        kept.body = "other"
        return None
    kept.body = "json"
    kept.shape = shape_of(values, censor)
    if not kept.good:
        kept.listed_values = [word for word in enum_words_in(body.decode("utf-8", "replace")) if word != "Nonsense"]
    return values


def retry_after_form(value: str | None) -> str:
    """Return the form of ``Retry-After``; empty without one."""
    if value is None:
        return ""
    if re.fullmatch(r"\s*\d+\s*", value, re.ASCII):
        return "seconds"
    return "date" if http_date(value) is not None else "other"


def link_form(link: str | None) -> str:
    """Return the form in which the URL of the next page is written; empty without a link."""
    if link is None:
        return ""
    target = next_target(link)
    if target is None:
        return "no next"
    if re.match(r"https?://", target, re.IGNORECASE):
        return "absolute"
    if target.startswith("?"):
        return "query only"
    if target.startswith("/"):
        return "relative to the origin" if target.count("/", 0, target.find("?")) > 1 else "relative to the base"
    return "relative to the path"


def _header_names(headers: Mapping[str, str]) -> list[str]:
    names = [str(name) for name in dict.fromkeys(headers) if is_header_name(name)]
    return sorted(names, key=str.casefold)[:HEADERS_MOST]


def _media_type(text: str) -> str:
    kind = text.partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else "other" if kind else ""


class Probe(msgspec.Struct, kw_only=True):
    """The record of a probe. ``ended`` is the reason of its end, empty while it runs; ``done``: all calls were made."""

    version: str
    started: str
    calls: list[CallRecord] = msgspec.field(default_factory=list[CallRecord])
    facts: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    ended: str = ""
    done: bool = False

    def named(self, name: str) -> CallRecord | None:
        """Return the record of the call with that name, or ``None``."""
        return next((one for one in self.calls if one.name == name), None)

    @property
    def answered(self) -> list[CallRecord]:
        """The calls that were answered."""
        return [one for one in self.calls if one.outcome == "answered"]

    @property
    def forbidden(self) -> list[CallRecord]:
        """The calls that should have succeeded, and were refused because the account lacks a right (403)."""
        return [one for one in self.calls if one.status == 403 and one.operation]
