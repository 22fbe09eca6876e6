"""Ownership of the ids in a list: an order is found only if its row cannot be another order's.

A row may have exactly the wanted reference, and yet be another order's: an order whose reference the API stores in
another spelling, or a row with another order's id. Then neither order is decided, and the reason names the other one.

- An id that the list shows for two references belongs to neither.
- An id that another order's response had belongs to that order, if their references are alike: the API may change the
  spelling. If they are not alike, that order is suspected (:mod:`..durable.revocation`), and the list must show it
  with another id: its response then was another order's. Also suspected is each order that the list shows with another
  id than its response had, and the order whose response had that id: all orders of a connection that was out of step
  are found from the first of them that is looked up. The first list of a run is compared with the journal even if no
  order is suspected: a killed process may have got other orders' ids and not have lived to see it. An order that the
  list shows with another id is then suspected if one of the two ids is another order's.
- Of two undecided references that are the same when tidied, or of which one may be truncated to the other, the list
  shows one: it may be either order. They are distinguished if the list shows what such a spelling would have changed: a
  capital, a leading zero, a reference that is much longer than the one shown, or as long as the other one. That counts
  only if no row resembles one of ours in another spelling.

An honest API gives each order an id of its own and keeps references, so this leaves nothing undecided, and costs no
request. The journal is asked once for each order that is found.
"""

from __future__ import annotations

import unicodedata
from functools import reduce
from typing import TYPE_CHECKING

from ...journal import LOOK_UP_MOST, State
from .reference_matching import ReferenceMatcher, Size, alike, looks_like, tidied

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from ...journal import JournalRun
    from ...session.decoding.known_ids import KnownIds
    from .lookup_findings import LookupFindings, RemoteMatch


def _joined(text: str) -> str:
    return " ".join(text.split())


def _closed(text: str) -> str:
    return "".join(text.split())


def _without_zeros(text: str) -> str:
    return text.lstrip("0")


def _seen(text: str) -> str:
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Cc"))


def _unmarked(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if unicodedata.category(sign) != "Mn")


def _form(name: str) -> Callable[[str], str]:
    return lambda text: unicodedata.normalize(name, text)  # type: ignore[arg-type]


_SPELLINGS: Sequence[Callable[[str], str]] = (
    *(str.lower, str.upper, str.casefold, str.strip, _joined, _closed, _without_zeros, _seen, _unmarked),
    *(_form("NFC"), _form("NFD"), _form("NFKC"), _form("NFKD")),
)
"""Changes that an API may make to references. A list that shows one that a change would alter disproves that change."""


class Owners:
    """Owners of ids, as one journal and the session know them."""

    def __init__(self, journal_run: JournalRun, known_ids: KnownIds) -> None:
        self._journal_run = journal_run
        self._known_ids = known_ids
        self._has_compared = False

    async def sift(self, found: LookupFindings, references: Collection[str]) -> LookupFindings:
        """Keep of a look-up's findings what is certainly the wanted order; give reasons for the rest.

        ``references`` are all undecided references that may be mistaken for one another.
        """
        matched = {key: found.matches[key] for key in references if found.matches.get(key)}
        ids = {match.id for each in matched.values() for match in each if match.id is not None}
        while True:
            holders = {each: self._known_ids.holder(each) for each in ids}
            left, held, suspects = await self._judged(found, references, matched)
            if all(self._known_ids.holder(each) == holder for each, holder in holders.items()):
                break  # else another order's response had one of these ids while the journal was read
        decided = {key: matches for key, matches in found.matches.items() if key not in matched} | left
        for key, matches in decided.items():
            for match in matches:
                if match.id is not None and match.id not in found.rows.shared:
                    self._known_ids.know(key, match.id, proven=True)
        for key, remote_id in suspects.items():
            self._known_ids.suspect(key, remote_id)
        return found._replace(matches=decided, held={key: why for key, why in held.items() if key not in left})

    async def _judged(
        self, found: LookupFindings, references: Collection[str], matched: Mapping[str, Sequence[RemoteMatch]]
    ) -> tuple[dict[str, list[RemoteMatch]], dict[str, str], dict[str, str]]:
        """Return the matches that are certain, the reasons why others are not, and the suspects with their old ids."""
        holders = await self._holders({match.id for each in matched.values() for match in each}, references)
        held: dict[str, str] = {}
        suspects: dict[str, str] = {}
        left: dict[str, list[RemoteMatch]] = {}
        for key, matches in matched.items():
            for match in matches:
                why = _shared(key, match, found) or _of_holder(key, match, found, holders, suspects)
                if why:
                    held[key] = why
                else:
                    left.setdefault(key, []).append(match)
        is_known = bool(suspects) or self._known_ids.changes > 0
        if is_known or not self._has_compared:
            suspects |= await self._with_other_ids(found, references, is_known=is_known)
            self._has_compared |= len(found.rows) > 0
        # An order that is alike, and that the list does not show, may have got a wrong id in its response too.
        delivered = self._known_ids.last_ids() if suspects or self._known_ids.changes else {}
        unseen = alike(left, delivered.keys() - {*references, *found.rows.ids_of})
        for key, other in _indistinct(left, {*references, *suspects, *unseen}, found):
            how = "in another spelling"
            if tidied(key) != tidied(other):
                how = "cut off (run again once an order with a longer one exists: the list shows then whether they do)"
            held[key] = held[other] = (
                f"the list shows {key!r}, and that may be {key!r} or {other!r}, which were both sent: references may "
                f"come back {how}; look both up before one is sent again"
            )
            left.pop(key, None)
            if other in unseen:
                suspects[other] = delivered[other]
        return left, held, suspects

    async def _holders(self, ids: Collection[str | None], references: Collection[str]) -> dict[str, set[str]]:
        """Return, by id, the keys whose responses had these ids, except the wanted keys."""
        names = [each for each in ids if each is not None]
        holders: dict[str, set[str]] = {name: set() for name in names}
        for some in _parts(names):
            for remote_id, keys in (await self._journal_run.keys_of_ids(some)).items():
                holders[remote_id].update(keys)
        holder_of = {name: holder for name in names if (holder := self._known_ids.holder(name)) is not None}
        others = [key for key in {*holder_of.values()} if key not in references]
        # The journal's own entry is authoritative: a response may have been revoked since.
        strangers = {
            key
            for some in _parts(others)
            for key, entry in zip(some, await self._journal_run.look_up(some), strict=True)
            if entry is None
        }
        for name, holder in holder_of.items():
            if holder in strangers:
                holders[name].add(holder)
        return {name: keys.difference(references) for name, keys in holders.items()}

    async def _with_other_ids(
        self, found: LookupFindings, references: Collection[str], *, is_known: bool
    ) -> dict[str, str]:
        """Return the old ids of orders that the list shows with another id, and of orders whose responses had those.

        If it ``is_known`` that responses were out of step, return all; else only where an id is another order's.
        """
        suspects: dict[str, str] = {}
        owners: dict[str, str] = {}
        delivered: set[str] = set()
        for some in _parts([reference for reference in found.rows.ids_of if reference not in references]):
            for entry in await self._journal_run.look_up(some):
                if entry is None or entry.state is not State.CREATED or entry.remote_id is None:
                    continue
                shown = found.rows.ids_of[entry.key]
                delivered.add(entry.remote_id)
                if entry.remote_id not in shown and found.rows.shared.isdisjoint(shown):
                    suspects[entry.key] = entry.remote_id
                    owners.update(dict.fromkeys(shown, entry.key))
        is_others = (each in found.rows and each not in found.rows.shared for each in suspects.values())
        if not is_known and delivered.isdisjoint(owners) and not any(is_others):
            return {}
        for remote_id, holders in (await self._holders(owners, references)).items():
            owner = owners[remote_id]
            suspects.update(
                {key: remote_id for key in holders if not (looks_like(key, owner) or looks_like(owner, key))}
            )
        return suspects


def _parts(names: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(names), LOOK_UP_MOST):
        yield names[start : start + LOOK_UP_MOST]


def _shared(key: str, match: RemoteMatch, found: LookupFindings) -> str:
    if match.id is None or match.id not in found.rows.shared:
        return ""
    other = next(reference for reference, ids in found.rows.ids_of.items() if reference != key and match.id in ids)
    return f"the list shows it with the id {match.id!r}, and {other!r} with the same one: look both up"


def _of_holder(
    key: str, match: RemoteMatch, found: LookupFindings, holders: dict[str, set[str]], suspects: dict[str, str]
) -> str:
    for holder in sorted(holders.get(match.id or "", set())):
        shown = f"the list shows it with the id {match.id!r}, which the response for {holder!r} had"
        if holder not in found.rows.ids_of and (looks_like(holder, key) or looks_like(key, holder)):
            return f"{shown}: it may be {holder!r} in another spelling; look both up before it is sent again"
        if match.id is not None:
            suspects[holder] = match.id
        if holder not in found.rows.ids_of:
            return f"{shown}, and does not show {holder!r}: look both up before it is sent again"
    return ""


def _indistinct(
    left: dict[str, list[RemoteMatch]], references: Collection[str], found: LookupFindings
) -> list[tuple[str, str]]:
    """Return the references that are shown, each with a missing one that may be shown in its place."""
    missing = ReferenceMatcher([key for key in references if key not in left])
    return [
        (key, other)
        for key in left
        for other in (*missing.same_as(key), *missing.cut_to(key))
        if not _are_distinguished(key, other, found)
    ]


def _are_distinguished(shown: str, other: str, found: LookupFindings) -> bool:
    """Return True if the list shows that it does not turn one reference into the other."""
    changes = [spelling for spelling in _SPELLINGS if spelling(shown) == shown and spelling(other) != other]
    is_cut = tidied(shown) != tidied(other)
    if not changes and not is_cut:
        return True
    if any(like.reference not in found.matches for likes in found.alike.values() for like in likes):
        return False  # the list may show one of ours in another spelling
    references = [reference for reference in found.rows.ids_of if reference != shown]
    if is_cut:
        longest = reduce(Size.joined, map(Size.of, references), Size())
        return longest.disproves_a_cut_to(Size.of(shown)) or longest.holds(other)
    return any(spelling(reference) != reference for spelling in changes for reference in references)
