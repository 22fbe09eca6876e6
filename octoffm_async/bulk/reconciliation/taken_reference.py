"""Refusals because an item's reference is already used: the existing order may be this very item.

A proxy that sends a request twice, or an API that carries it out and fails afterwards, answers a first creation with
409. Therefore, with a journal, such an item is not refused but unknown: it is looked up as after a lost response. An
item that is found was created; one that is certainly absent is refused in the API's own words, and is not sent again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ...errors import BadRequestError, CallError, ConflictError, PayloadConflictError, UnprocessableError
from ..outcomes import Refused, Unknown
from .lookup_findings import not_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...journal import Entry
    from .lookup_findings import RemoteMatch

_CODE = "Taken "
"""Prefix of the code in the journal of an item that was refused so, while it is unknown."""
LONG_BEFORE, CERTAINLY_BEFORE = timedelta(days=2), timedelta(days=30)
"""Minimum age at sending of an order that is likely, or certainly, another one, in any zone and by any clock."""
_BUT = "; it was looked for, but "
_SAID = re.compile(
    r"duplicate|doublon|not unique|already[ _-]?(exist|used|taken|in[ _-]?use|known|registered|created|been)"
    r"|d[ée]j[àa] (exist|utilis|pris)|existe d[ée]j[àa]",
    re.IGNORECASE,
)
_SAID_OF_REFERENCE = re.compile(r"reference\b.{0,60}?\b(exists|is (used|taken|in use|known))\b", re.IGNORECASE)
_SAID_NO = re.compile(r"\b(no|not|never|unknown|none)\b", re.IGNORECASE)


class Weighed(NamedTuple):
    """Credible result of a look-up: matches that are the item, or its refusal, or neither because of a doubt."""

    matches: Sequence[RemoteMatch]
    refused: Refused | None = None
    doubt: str = ""


def says_taken(error: BaseException | None) -> bool:
    """Return True for an answer to a creation that says that its reference is used: any 409, others by their words."""
    match error:
        case PayloadConflictError():  # from the client itself; nothing was sent
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
    """Return the code of an unknown item in the journal, from the error that made it unknown."""
    if error is None or not says_taken(error):
        return ""
    return _CODE + (getattr(error, "code", "") or str(getattr(error, "status", "")))


def was_taken(entry: Entry) -> bool:
    """Return True for an undecided item that was refused so: an absent one is not sent again."""
    return entry.code.startswith(_CODE)


def to_look_for(refused: Refused) -> Unknown:
    """Return the unknown outcome of an item that was refused so: it is looked up."""
    return Unknown(key=refused.key, reason=refused.message, error=refused.error)


def weigh(
    entry: Entry, matches: Sequence[RemoteMatch], *, api_now: datetime | None, error: Exception | None = None
) -> Weighed:
    """Evaluate a look-up of an undecided item that the API may have refused so.

    ``api_now`` is the API's own clock, ``error`` its response, as far as known. An order that was created long before
    the request is another order; where clocks could explain the difference, the item stays undecided.
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
    """Return the reason why an item stays unknown, with the API's refusal, which is kept for the end."""
    return f"{entry.message.partition(_BUT)[0]}{_BUT}{doubt}" if was_taken(entry) else doubt
