"""Access, and the shapes that all operations share: token, problem, page."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from .base import Answer, D, Request, S
from .operation import Group, Operation

BASE_URL = "https://api.octopia-io.net/seller/v2"  # D
TOKEN_URL = "https://auth.octopia-io.net/auth/realms/maas/protocol/openid-connect/token"  # noqa: S105  (D; an address)

ItemT = TypeVar("ItemT")


class TokenRequest(Request, frozen=True, kw_only=True, rename=None):
    """Form of the token call (OAuth 2 client credentials)."""

    client_id: Annotated[str, D, Meta(description="Id of the client, from Octopia")]
    client_secret: Annotated[str, D, Meta(description="Secret of the client, from Octopia")]
    grant_type: Annotated[str, D, Meta(description="Always client_credentials")] = msgspec.field(
        default_factory=lambda: "client_credentials"
    )


class TokenAnswer(Answer, frozen=True, kw_only=True, rename=None):
    """A bearer token and its lifetime in seconds. The client obeys the given lifetime and assumes none."""

    access_token: Annotated[str, D, Meta(description="The token for the Authorization header")]
    expires_in: Annotated[float, D, Meta(description="Lifetime of the token in seconds")]
    token_type: Annotated[str, D, Meta(description="Scheme of the Authorization header")] = "Bearer"  # noqa: S105  (a word, not a secret)


class TokenRefusal(Answer, frozen=True, kw_only=True, rename=None):
    """An error of the token endpoint in Keycloak's form; the endpoint may also answer with a :class:`Problem`."""

    error: Annotated[str | None, D, Meta(description="Code of the error, such as invalid_client")] = None
    error_description: Annotated[str | None, D, Meta(description="Explanation of the error")] = None


class Problem(Answer, frozen=True, kw_only=True):
    """An error as ``application/problem+json``."""

    title: Annotated[str | None, D, Meta(description="Short name of the error")] = None
    status: Annotated[int | None, D, Meta(description="HTTP status code")] = None
    detail: Annotated[str | None, D, Meta(description="Explanation of the error")] = None
    instance: Annotated[str | None, D, Meta(description="Path of the request")] = None
    trace_id: Annotated[str | None, D, Meta(description="Id of the request in Octopia's logs, for support")] = None
    errors: Annotated[
        Mapping[str, Sequence[str]] | None, D, Meta(description="Error messages by name of the field")
    ] = None


class PageBody(Answer, Generic[ItemT], frozen=True, kw_only=True):
    """One page of a list. The ``Link`` header, not the body, names the next page."""

    items: Annotated[list[ItemT], S, Meta(description="Rows of the page")]
    items_per_page: Annotated[int | None, S, Meta(description="Number of rows per page")] = None


class Counted(Answer, frozen=True, kw_only=True):
    """A count as an object, under one of two names; the API may also answer with a bare integer."""

    count: Annotated[int | None, S, Meta(description="Number of objects that match the filters")] = None
    total_item_count: Annotated[
        int | None, S, Meta(description="Number of objects that match the filters, under its other name")
    ] = msgspec.field(name="total_item_count", default=None)


CREATE_TOKEN = Operation[TokenAnswer](
    name="token.create",
    method="POST",
    path="",
    group=Group.TOKEN,
    tag="D",
    request=TokenRequest,
    answer=TokenAnswer,
)
