"""What came over one connection: so that it can be doubted together, once the connection is seen to be out of step.

A server or a proxy may send more answers than it was asked for. Each request after that is then answered with what was
meant for the one before it, and the ids of such answers are ids, only of other orders. It shows by an id that comes
twice, by an answer that nobody waits for, or by one that cannot be of its request. The connection is dropped then, and
whatever it told of late is looked up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KEPT = 256
"""Creations that a connection answered last and that are doubted with it. Out of step for longer, it would have to be
without a pause for as long: an answer that comes while nothing is asked gives it away."""


class Believer(Protocol):
    """Something that believed ids."""

    def suspect_all(self, remote_ids: Iterable[str]) -> None:
        """Those of them that it believed may be other orders'."""
        ...


class Trail:
    """The last creations that one connection answered. ``close`` drops the connection."""

    __slots__ = ("_believers", "_close", "believer", "doubted", "last", "told")

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self.doubted = ""
        """Why nothing that it tells is believed any more."""
        self.told: deque[str] = deque(maxlen=KEPT)
        """The ids that were believed; bare, because one is put in for every order."""
        self.last = ""
        """The last of them, which another believer may be told, too."""
        self.believer: Believer | None = None
        """Who believed the last one."""
        self._believers: list[Believer] = []

    def believe(self, believer: Believer) -> None:
        """Let what is put in from now on be what this one believed."""
        self.believer = believer
        if believer not in self._believers:
            self._believers.append(believer)

    def doubt(self, why: str) -> None:
        """Believe nothing of what it told of late, nor of what it tells from now on."""
        self.doubted = self.doubted or why
        told, self.told = self.told, deque(maxlen=KEPT)
        for believer in self._believers:
            believer.suspect_all(told)

    def drop(self) -> None:
        """Let no other request leave over it, and hear nothing more from it."""
        self._close()
