"""Freshness of responses that are to prove an absence: they must come from the API itself, not from a cache."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ...session.seller_session import SellerSession
from ...transport.headers import age_of, http_date
from .lookup_findings import not_shown

if TYPE_CHECKING:
    from datetime import datetime

    from ...transport.response import Response

_INEXACT = 2.0
"""Seconds by which a ``Date``, in whole seconds and taken at the start of a response, may be early."""


class Freshness:
    """Check of all responses of a look-up, counts too.

    ``after`` is the time of the API's clock before the request.

    Each call tells caches to ask the API. A cache that does not is detected by the ``Age`` of its responses, or by a
    ``Date`` that is too old: before the request, or less than ``waited`` seconds after it, since so much time has
    passed. An API that sends no ``Date`` is not doubted for that.
    """

    def __init__(self, scope: SellerSession, *, after: datetime | None = None, waited: float = 0.0) -> None:
        self.doubt: str = ""
        """Reason why the responses prove nothing, or ""."""
        self._after = after
        self._oldest = None
        if after is not None:
            self._oldest = after.replace(microsecond=0) + timedelta(seconds=max(0.0, waited - _INEXACT))
        self._listener = scope.options.on_response
        self.scope: SellerSession = SellerSession(
            scope.session, scope.seller_id, scope.options.changed(fresh=True, on_response=self._hear)
        )

    def _hear(self, answer: Response) -> None:
        if self._listener is not None:
            self._listener(answer)
        if self.doubt or answer.status >= 400:
            return
        date = http_date(answer.headers.get("Date"))
        if age := age_of(answer.headers):
            self.doubt = not_shown(f"the list came from a cache: Age {age}")
        elif date is not None and self._after is not None and self._oldest is not None and date < self._oldest:
            ages = f"its Date is {date:%Y-%m-%d %H:%M:%S}, and it was sent after {self._after:%Y-%m-%d %H:%M:%S}"
            seconds = (self._oldest - self._after.replace(microsecond=0)).total_seconds()
            ages += f", at least {seconds:g} s before it was looked for" if seconds else ""
            self.doubt = not_shown(f"the list came from a cache: {ages}")
