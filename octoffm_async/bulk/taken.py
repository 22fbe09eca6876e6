"""Refusals that say that something exists under an item's reference already: it may be this very item.

A proxy that sends a request twice, or an API that carries one out and fails behind it, answers a first creation with
409. So, with a journal, such an item is not refused but unknown: it is looked for as after a lost answer. What is found
was created; what is absent for certain is refused in the API's own words, and is not sent again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BadRequestError, CallError, ConflictError, PayloadConflictError, UnprocessableError
from .gathering import not_shown
from .outcomes import Refused, Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .gathering import Match
    from .journal import Entry

_CODE = "Taken "
"""What the code of an item that was refused so begins with in the journal, while it is unknown."""
LONG_BEFORE, CERTAINLY_BEFORE = timedelta(days=2), timedelta(days=30)
"""How long before an item was sent what is not this one was created: in whatever zone, and by whatever clock."""
_BUT = "; it was looked for, but "
_SAID = re.compile(
    r"duplicate|doublon|not unique|already[ _-]?(exist|used|taken|in[ _-]?use|known|registered|created|been)"
    r"|d[ée]j[àa] (exist|utilis|pris)|existe d[ée]j[àa]",
    re.IGNORECASE,
)
_SAID_OF_REFERENCE = re.compile(r"reference\b.{0,60}?\b(exists|is (used|taken|in use|known))\b", re.IGNORECASE)
_SAID_NO = re.compile(r"\b(no|not|never|unknown|none)\b", re.IGNORECASE)


class Weighed(NamedTuple):
    """What is to be believed: matches that are the item, or its refusal, or neither because of a doubt."""

    matches: Sequence[Match]
    refused: Refused | None = None
    doubt: str = ""


def says_taken(error: BaseException | None) -> bool:
    """Return True for an answer to a creation that says that its reference is used: any 409, others by their words."""
    match error:
        case PayloadConflictError():  # said here; nothing was sent
            return False
        case ConflictError():
            return True
        case UnprocessableError() | BadRequestError():
            said = f"{error.code}\n{error.message}\n{error.body}"
            return _SAID.search(said) is not None or any(
                _SAID_NO.search(said, max(0, one.start() - 40), one.end()) is None
                for one in _SAID_OF_REFERENCE.finditer(said)
            )
        case _:
            return False


def taken_code(error: BaseException | None) -> str:
    """The code of an unknown item in the journal, by the error that left it so."""
    if error is None or not says_taken(error):
        return ""
    return _CODE + (getattr(error, "code", "") or str(getattr(error, "status", "")))


def was_taken(entry: Entry) -> bool:
    """Return True for an undecided item that was refused so: what is absent of these is not sent again."""
    return entry.code.startswith(_CODE)


def to_look_for(refused: Refused) -> Unknown:
    """The outcome of an item whose refusal says so: it is looked for."""
    return Unknown(key=refused.key, reason=refused.message, error=refused.error)


def weigh(
    entry: Entry, matches: Sequence[Match], *, api_now: datetime | None, error: Exception | None = None
) -> Weighed:
    """Tell what a look means for an undecided item that the API may have refused so.

    ``api_now`` is the API's own clock, ``error`` what it answered, as far as they are known. What is of long before the
    sending is another order; where clocks could explain it, that is left open.
    """
    if not was_taken(entry):
        return Weighed(matches)
    first_at = min(entry.sent_at, entry.api_at or _by_their_clock(entry.sent_at, api_now))
    if ours := [match for match in matches if (match.created_at or first_at) >= first_at - LONG_BEFORE]:
        return Weighed(ours)
    if not matches and entry.absences:
        return Weighed((), doubt=not_shown("it was sent twice, and the API says that its reference is used"))
    message = entry.message.partition(_BUT)[0]
    for match in matches:
        another = f"an order of {match.created_at} has this reference: {match.id}"
        if (match.created_at or first_at) >= first_at - CERTAINLY_BEFORE:
            return Weighed((), doubt=f"{another}; it may be this one: look it up before it is sent again")
        message += f"; {another}"
    said = error if isinstance(error, CallError) and says_taken(error) else None
    return Weighed((), Refused(key=entry.key, code=entry.code.removeprefix(_CODE), message=message, error=said))


def _by_their_clock(moment: datetime, api_now: datetime | None) -> datetime:
    return moment if api_now is None else moment + (api_now - datetime.now(UTC))


def with_refusal(entry: Entry, doubt: str) -> str:
    """Why an item stays unknown, with what the API said of it, which is kept for the end."""
    return f"{entry.message.partition(_BUT)[0]}{_BUT}{doubt}" if was_taken(entry) else doubt
