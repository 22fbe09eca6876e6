"""The event loop and the process that an open object belongs to, and the end of its copies in forked children.

An open client, run or sandbox holds sockets, timers and futures of one event loop in one process. From another loop or
thread it would corrupt them, and a copy in a forked child would write to the parent's sockets. Each such object
therefore has an :class:`Affinity`, and each of its public methods begins with :meth:`Affinity.check`.

**After a fork** the child has a copy of every object, and of every descriptor, behind which is the parent's own socket,
lock or epoll instance. Whatever the child does with a copy reaches the parent: closing a TLS connection sends a
farewell over it, unlocking a file unlocks the parent's lock, and removing a reader from an inherited loop removes the
parent's reader. A file lock lives until the last copy of its descriptor is closed: an orphan would keep the lock of its
dead parent. A hook in the child therefore takes every descriptor away from the copies before any code of the child
runs: locks are closed (not unlocked), sockets are replaced by dead ones (:func:`silence`), and each loop gets an epoll
instance of its own. Nothing has to be checked on the way of a call: the copy has no loop, so no running loop is its.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Protocol
from weakref import WeakSet

from .errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Inherited(Protocol):
    """Object whose copy in a forked child has to be made harmless."""

    def abandon(self) -> None:
        """Give up everything that belongs to the parent, without any effect on the parent. Must not raise."""
        ...


forking: threading.RLock = threading.RLock()
"""Lock that no fork happens under: held while a descriptor is opened and :func:`watch_forks` is told of its owner."""
_owners: WeakSet[Inherited] = WeakSet()


def watch_forks(owner: Inherited) -> None:
    """Call ``owner.abandon()`` in each process that is forked from now on, while the owner exists."""
    _owners.add(owner)


def unwatch_forks(owner: Inherited) -> None:
    """End what :func:`watch_forks` began: the owner holds nothing any more."""
    _owners.discard(owner)


class Affinity:
    """The event loop that ``name`` belongs to, from :meth:`bind` to :meth:`release`.

    ``abandon`` is called in a forked child, for the copy of an object that was bound when the process was forked.
    """

    __slots__ = ("__weakref__", "_abandon", "_home", "_inherited", "_name", "_process", "_thread", "loop")

    def __init__(self, name: str, abandon: Callable[[], object] | None = None) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop on which the object may be used; ``None`` while it is not open, or closing."""
        self._home: asyncio.AbstractEventLoop | None = None
        self._name = name
        self._abandon = abandon
        self._process = self._thread = 0
        self._inherited = False

    def bind(self) -> None:
        """Bind the object to the running loop.

        Raises:
            ClosedError: It is a copy that was inherited by a fork.
        """
        if self._inherited:
            self.refuse()
        self.loop = self._home = asyncio.get_running_loop()
        self._process, self._thread = os.getpid(), threading.get_ident()
        watch_forks(self)

    def release(self) -> None:
        """Unbind the object: it holds nothing of its loop any more."""
        self.loop = self._home = None
        unwatch_forks(self)

    def check_process(self) -> None:
        """Check that the object was not inherited by a fork: for what needs no event loop.

        Raises:
            ClosedError: It was.
        """
        if self._inherited:
            self.refuse()

    def is_orphaned(self) -> bool:
        """Return True if the loop was closed before the object."""
        return self._home is not None and self._home.is_closed()

    def is_elsewhere(self) -> bool:
        """Return True if the object is bound to another loop than the running one, or inherited."""
        if self._home is None:
            return self._inherited
        try:
            return asyncio.get_running_loop() is not self._home
        except RuntimeError:
            return True

    def is_of_other_thread(self) -> bool:
        """Return True if the loop runs in another thread: all that is left to ask with a current task of the loop.

        The running loop is compared only when the thread is not that in which the object was bound: asking for it is a
        system call in Python 3.11.
        """
        return threading.get_ident() != self._thread and self.is_elsewhere()

    def check(self) -> None:
        """Check that the running loop is that of the object.

        Raises:
            ClosedError: It is another one, or the object is bound to none; the message gives the reason.
        """
        if self.loop is None or self.is_elsewhere():
            self.refuse()

    def check_home(self) -> None:
        """Check that the object is not bound to another loop, nor inherited: for what opens and closes it.

        Raises:
            ClosedError: It is.
        """
        if self.is_elsewhere():
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise a :class:`ClosedError` that gives the reason for which the object cannot be used here."""
        if self._inherited:
            raise ClosedError(
                f"{self._name} was opened in process {self._process} before this one was forked, and belongs to that "
                "process: make and enter a new one here"
            )
        if self._home is None or not self.is_elsewhere():
            raise ClosedError(f"{self._name} is not open: use it inside `async with`")
        if self.is_orphaned():
            raise ClosedError(
                f"{self._name} is open on another loop, which was closed without closing it: enter it again on this one"
            )
        raise ClosedError(
            f"{self._name} is open on another loop, perhaps of another thread: use it there, or one for each loop"
        )

    def abandon(self) -> None:
        """Bind the copy in a forked child to no loop, for good."""
        home, self.loop, self._home = self._home, None, None
        if home is None:  # the parent itself inherited it
            return
        self._inherited = True
        if self._abandon is not None:
            self._abandon()
        _give_own_epoll(home)  # behind it: a registration outlives a descriptor whose socket the parent has open


def silence(descriptor: int) -> None:
    """Replace the socket behind a descriptor by one whose other end is closed.

    The descriptor's number stays, so that all code that uses it meets a lost connection, and none reaches the peer.
    """
    dead, other = socket.socketpair()
    with dead, other, suppress(OSError):
        os.dup2(dead.fileno(), descriptor, inheritable=False)


if sys.platform == "linux":
    import selectors

    def _give_own_epoll(loop: asyncio.AbstractEventLoop) -> None:
        """Replace the loop's epoll instance, which is the parent's too, by a new one with the same registrations."""
        selector = getattr(loop, "_selector", None)  # uvloop has none, and does the same by itself
        if not isinstance(selector, selectors.EpollSelector):
            return
        with suppress(OSError, ValueError), select.epoll() as own:
            for key in selector.get_map().values():
                events = key.events & selectors.EVENT_READ and select.EPOLLIN
                own.register(key.fd, events | (key.events & selectors.EVENT_WRITE and select.EPOLLOUT))
            os.dup2(own.fileno(), selector.fileno(), inheritable=False)

else:

    def _give_own_epoll(loop: asyncio.AbstractEventLoop) -> None:
        """Leave the loop as it is: kqueue is not inherited by a fork, and Windows has none."""


def _abandon_all() -> None:
    forking.release()
    for owner in list(_owners):
        owner.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=forking.acquire, after_in_parent=forking.release, after_in_child=_abandon_all)
