"""The headers of requests, created once per seller and token and shared by all calls with the same headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..contract.operations import Shape
from ..transport.http1 import CachedHeaders

if TYPE_CHECKING:
    from ..auth.source import Token
    from ..config import Config
    from ..contract.operations import Operation

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
FOR_TOKEN = CachedHeaders({"Accept": JSON, "Content-Type": FORM})
_ACCEPT = {Shape.DOCUMENT: f"application/pdf, {JSON}", Shape.RAW: f"{JSON}, */*"}
_KEPT_MOST = 4096


class RequestHeaders:
    """A cache of request headers, for one token at a time."""

    def __init__(self, config: Config) -> None:
        self._channel = config.sales_channel_id
        self._token: Token | None = None
        self._kept: dict[tuple[str, Shape, bool, bool], CachedHeaders] = {}

    def of(
        self, operation: Operation[Any], seller_id: str, token: Token, *, with_body: bool, fresh: bool = False
    ) -> CachedHeaders:
        """Return the headers of one request; they must not be changed. ``fresh``: no cache may answer the request."""
        if token is not self._token or len(self._kept) >= _KEPT_MOST:
            self._kept.clear()
            self._token = token
        key = (seller_id, operation.shape, with_body, fresh)
        head = self._kept.get(key)
        if head is None:
            head = self._kept[key] = self._make(operation.shape, seller_id, token, with_body=with_body, fresh=fresh)
        return head

    def _make(
        self, shape: Shape, seller_id: str, token: Token, *, with_body: bool, fresh: bool = False
    ) -> CachedHeaders:
        head = {
            "Accept": _ACCEPT.get(shape, JSON),
            "Authorization": f"Bearer {token.secret.reveal()}",
            "SellerId": seller_id,
        }
        if self._channel is not None:
            head["SalesChannelId"] = self._channel
        if with_body:
            head["Content-Type"] = JSON
        if fresh:
            head["Cache-Control"] = "no-cache"
        return CachedHeaders(head)
