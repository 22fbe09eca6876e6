"""Access and the shapes that all operations share: token, problem, page (API.md, 1 and 3)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec

from .base import Answer, D, Request, S

BASE_URL = "https://api.octopia-io.net/seller/v2"  # D
TOKEN_URL = "https://auth.octopia-io.net/auth/realms/maas/protocol/openid-connect/token"  # noqa: S105  (D; an address)

ItemT = TypeVar("ItemT")


class TokenRequest(Request, frozen=True, kw_only=True, rename=None):
    """Form of the token call. ``grant_type`` is always ``client_credentials``."""

    client_id: Annotated[str, D]
    client_secret: Annotated[str, D]
    grant_type: Annotated[str, D] = msgspec.field(default_factory=lambda: "client_credentials")


class TokenAnswer(Answer, frozen=True, kw_only=True, rename=None):
    """A bearer token and its life in seconds. The life is obeyed, never assumed."""

    access_token: Annotated[str, D]
    expires_in: Annotated[float, D]
    token_type: Annotated[str, D] = "Bearer"  # noqa: S105  (a word, not a secret)


class TokenRefusal(Answer, frozen=True, kw_only=True, rename=None):
    """Keycloak's way to say no; the endpoint may also answer a problem."""

    error: Annotated[str | None, D] = None
    error_description: Annotated[str | None, D] = None


class Problem(Answer, frozen=True, kw_only=True):
    """An error as ``application/problem+json``. ``errors`` maps a field to its messages."""

    title: Annotated[str | None, D] = None
    status: Annotated[int | None, D] = None
    detail: Annotated[str | None, D] = None
    instance: Annotated[str | None, D] = None
    trace_id: Annotated[str | None, D] = None
    errors: Annotated[Mapping[str, Sequence[str]] | None, D] = None


class Page(Answer, Generic[ItemT], frozen=True, kw_only=True):
    """One page of a list. The next page is named by the ``Link`` header, not by the body."""

    items: Annotated[list[ItemT], S]
    items_per_page: Annotated[int | None, S] = None


class Counted(Answer, frozen=True, kw_only=True):
    """A count as an object, in either of its names; it may also be a bare integer."""

    count: Annotated[int | None, S] = None
    total_item_count: Annotated[int | None, S] = msgspec.field(name="total_item_count", default=None)
