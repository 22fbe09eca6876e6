"""Whether answers that are to prove something come from the API itself, and not from a cache on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..session.headers import age_of, http_date
from ..session.scope import Scope
from .gathering import not_shown

if TYPE_CHECKING:
    from datetime import datetime

    from ..session.response import Response


class Freshness:
    """Hears all answers of a look-up, counts too. ``after`` is what the API's clock showed before the sending.

    Caches are told to ask the API. One that does not is seen by the ``Age`` of its answers, or by a ``Date`` of before
    the sending. An API that tells no ``Date`` is not doubted for that.
    """

    def __init__(self, scope: Scope, *, after: datetime | None = None) -> None:
        self.doubt = ""
        """Why the answers prove nothing, or nothing."""
        self._after = after
        self._listener = scope.options.on_response
        self.scope = Scope(scope.session, scope.seller_id, scope.options.changed(fresh=True, on_response=self._hear))

    def _hear(self, answer: Response) -> None:
        if self._listener is not None:
            self._listener(answer)
        if self.doubt or answer.status >= 400:
            return
        date = http_date(answer.headers.get("Date"))
        if age := age_of(answer.headers):
            self.doubt = not_shown(f"the list came from a cache: Age {age}")
        elif date is not None and self._after is not None and date < self._after.replace(microsecond=0):
            told = f"its Date is {date:%Y-%m-%d %H:%M:%S}, and it was sent after {self._after:%Y-%m-%d %H:%M:%S}"
            self.doubt = not_shown(f"the list came from a cache: {told}")
