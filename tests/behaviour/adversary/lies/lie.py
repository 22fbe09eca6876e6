"""A lie of the adversary: a name, what it does, what may come of it, and the hooks by which it bends the server.

A hook is given the server and the honest value, and returns what is to be used in its place. The hooks are:

=========== ============================================= ==========================================================
hook        given besides the server                      returns
=========== ============================================= ==========================================================
begin                                                     nothing: it sets the server up
ours                                                      how many seconds our own clock is ahead, asked each time
made        the order that was just created               nothing: it may date it, hide it, or move a clock
odd         the order (None: not carried out), reference  the answer to some creations, in place of a lost one
replied     answer, order (or None), connection           the answer to each creation
bounds      (low, high) of the time filter, in seconds    the bounds that are used
listed      the orders within the bounds, oldest first    the orders that the list has (``asked.counting``: the count)
row         a row of the list, its order                  the row
page        the page, what was asked                      the page: rows, Link and all
counted     the number of orders, what was asked          the number, or a whole answer
told        the answer, what was asked                    the answer to a list or a count
=========== ============================================= ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["honest", "told", "unprovable"]
"""What a lie allows at the end.

``honest``: an honest API may be so; every order is created once and told so. ``told``: orders may stay Unknown, with a
reason, but none is doubled. ``unprovable``: no client can know better; orders may even be doubled.
"""


@dataclass(frozen=True, kw_only=True)
class Lie:
    """One way in which an API may not tell the truth."""

    name: str
    tells: str
    """What it does, in a line."""
    verdict: Verdict
    hooks: dict[str, Callable[..., Any]] = field(default_factory=dict)
    always_carried_out: bool = False
    """Whether what gets an ``odd`` answer was always created; else half of it was not."""
    is_seen_later: bool = False
    """Whether a client can only see afterwards that an id was another's: what it told may be wrong until then."""


def lie(
    name: str,
    tells: str,
    verdict: Verdict,
    *,
    always_carried_out: bool = False,
    is_seen_later: bool = False,
    **hooks: Any,
) -> Lie:
    """Define a lie by its hooks."""
    return Lie(
        name=name,
        tells=tells,
        verdict=verdict,
        hooks=hooks,
        always_carried_out=always_carried_out,
        is_seen_later=is_seen_later,
    )


def settings(**values: Any) -> Callable[[Any], None]:
    """Return a ``begin`` hook that sets attributes of the server."""

    def begin(server: Any) -> None:
        for name, value in values.items():
            setattr(server, name, value)

    return begin
