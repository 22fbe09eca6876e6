"""The record of one connection's responses, so that they can be doubted together once it is out of step.

A server or a proxy may send more responses than there were requests. Each later request then gets the response to the
one before it, and the ids in such responses are valid ids, only of other orders. It shows by an id that comes twice, by
a response that no request waits for, or by one that does not fit its request. The client then drops the connection and
looks up every order whose id it received over it recently.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECENT_IDS = 256
"""The last creations of a connection, which are doubted with it. A connection could be out of step for longer only
without a pause for as long: a response that comes while no request runs reveals it."""


class IdObserver(Protocol):
    """An object that accepted ids as valid."""

    def suspect_all(self, remote_ids: Iterable[str]) -> None:
        """Suspect the orders that got one of these ids: they may have another one, or none."""
        ...


class ConnectionHistory:
    """The last creations that one connection answered. ``close`` drops the connection."""

    __slots__ = ("_close", "_observers", "doubt_reason", "is_new", "last", "observer", "recent_ids")

    def __init__(self, close: Callable[[], None], *, is_new: bool = False) -> None:
        self._close = close
        self.is_new: bool = is_new
        """True until a second request goes over the connection: the first one waited for it."""
        self.doubt_reason: str = ""
        """The reason for which the connection's responses are no longer believed."""
        self.recent_ids: deque[str] = deque(maxlen=RECENT_IDS)
        """The ids that were believed; bare texts, because one is added for every order."""
        self.last: str = ""
        """The last of them, which may belong to another observer."""
        self.observer: IdObserver | None = None
        """The observer that accepted the last id."""
        self._observers: list[IdObserver] = []

    def add_observer(self, observer: IdObserver) -> None:
        """Note the observer of the ids that are added from now on."""
        self.observer = observer
        if observer not in self._observers:
            self._observers.append(observer)

    def doubt(self, why: str) -> None:
        """Doubt the recent ids of the connection, and all that follow."""
        self.doubt_reason = self.doubt_reason or why
        recent_ids, self.recent_ids = self.recent_ids, deque(maxlen=RECENT_IDS)
        for observer in self._observers:
            observer.suspect_all(recent_ids)

    def drop(self) -> None:
        """Close the connection, so that it is neither used nor read any more."""
        self._close()
