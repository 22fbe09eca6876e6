"""Answers in which every value is somebody's data, marked so that it can be found wherever it should not be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from .api import Arrival, shop

MARK = "mark7357"
PLAIN = "Dupontmarkierung"
"""A mark of letters only, as names are; for fields that are no enum."""
NUMBER = 735773577357
FOUND = (MARK, "markierung", str(NUMBER))
"""What must stand nowhere, compared without regard to case."""

TOKEN_ANSWER = {
    "access_token": f"eyJ{MARK}.token",
    "expires_in": 7200,
    "token_type": f"Bearer-{MARK}",
    "scope": f"{MARK} email",
    "refresh_token": f"{MARK}-refresh",
    f"{MARK}-key": PLAIN,
}
_FORMS = (
    "{mark}",
    "jeanne.{mark}@shop.example",
    "SKU-{mark}-01",
    "7f3a0000-0000-4000-8000-{mark}0000",
    "https://track.example/{mark}",
    "/labels/{mark}",
    "{mark} rue de la Paix",
    "Accepted {mark}",
    "MARK7357_UPPER",
)


def marked(arrival: Arrival) -> Any:
    """The usual shop's answer with all values replaced, and maps keyed by data."""
    answer = shop(arrival)
    forms = itertools.cycle(_FORMS)
    if isinstance(answer, web.Response):
        return problem(answer.status if answer.status >= 400 else 200)
    return web.json_response(_filled(answer, forms), headers=headers())


def problem(status: int) -> web.Response:
    """A refusal that repeats data everywhere."""
    body = {
        "title": MARK,
        "status": status,
        "detail": f"{PLAIN} ({MARK}), one of Available, {MARK}",
        "instance": f"/seller/v2/{MARK}",
        "traceId": MARK,
        "errors": {"sort": [f"{PLAIN}: {MARK}"], MARK: [MARK], f"$.{MARK}": PLAIN, f"SKU-{MARK}": MARK},
    }
    return web.json_response(body, status=status, headers=headers())


def headers() -> dict[str, str]:
    return {
        "X-Trace": MARK,
        f"X-{MARK}": MARK,
        "Link": f'</seller/v2/stocks?cursor={MARK}&limit=2>; rel="next"; title="{MARK}"',
        "Retry-After": MARK,
        "Allow": f"GET, {MARK}",
        "X-RateLimit-Limit": MARK,
    }


def _filled(value: Any, forms: Iterator[str], name: str = "") -> Any:
    match value:
        case dict():
            filled = {key: _filled(part, forms, key) for key, part in value.items()}
            if "id" in value or "sellerProductReference" in value or name == "deliveryAddress":
                filled[f"by{MARK}"] = {f"SKU-{MARK}": 1, f"id_{MARK}": PLAIN, "SKU-ABC": 2, "Jeanne": 3}
                filled["keys"] = ["SKU-ABC", "Jeanne"]
            if name == "deliveryAddress":
                filled |= {"state": PLAIN, "type": PLAIN, "reason": PLAIN, "firstName": PLAIN}
            return filled
        case [*parts]:
            return [_filled(part, forms, name) for part in parts]
        case bool() | None:
            return value
        case int():
            return NUMBER
        case _:
            return next(forms).format(mark=MARK)
