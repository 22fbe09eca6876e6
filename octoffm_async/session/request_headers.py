"""The headers of requests, created once per seller and token and shared by all calls with the same headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..contract.operations import Shape
from ..header_rules import joined_headers, user_agent
from ..transport.http1 import CachedHeaders

if TYPE_CHECKING:
    from ..auth.source import Token
    from ..config import Config
    from ..contract.operations import Operation

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_ACCEPT = {Shape.DOCUMENT: f"application/pdf, {JSON}", Shape.RAW: f"{JSON}, */*"}
_KEPT_MOST = 4096


class RequestHeaders:
    """A cache of request headers, for one token at a time."""

    def __init__(self, config: Config) -> None:
        self._channel = config.sales_channel_id
        self._agent = user_agent(config.app_info)
        self._more = dict(config.headers)
        self._token: Token | None = None
        self._kept: dict[tuple[str, Shape, bool, bool, tuple[tuple[str, str], ...]], CachedHeaders] = {}
        self.for_token: CachedHeaders = CachedHeaders({"User-Agent": self._agent, "Accept": JSON, "Content-Type": FORM})
        """The headers of a request for a token."""

    def of(
        self,
        operation: Operation[Any],
        seller_id: str,
        token: Token,
        *,
        with_body: bool,
        fresh: bool = False,
        more: tuple[tuple[str, str], ...] = (),
    ) -> CachedHeaders:
        """Return the headers of one request; they must not be changed.

        ``fresh``: no cache may answer the request. ``more`` are headers of the caller, in place of configured ones.
        """
        if token is not self._token:
            self._kept.clear()
            self._token = token
        key = (seller_id, operation.shape, with_body, fresh, more)
        head = self._kept.get(key)
        if head is None:
            if len(self._kept) >= _KEPT_MOST:
                self._kept.clear()
            head = self._make(operation.shape, seller_id, token, with_body=with_body, fresh=fresh)
            head.update(joined_headers(self._more, dict(more)))
            self._kept[key] = head
        return head

    def _make(
        self, shape: Shape, seller_id: str, token: Token, *, with_body: bool, fresh: bool = False
    ) -> CachedHeaders:
        head = {
            "User-Agent": self._agent,
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
