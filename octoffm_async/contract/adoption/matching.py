"""Matches what the package has with what another description offers: each value of theirs to one of ours at most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from ..nodes import Node, SchemaReader
from ..registry import nested_struct
from .synonyms import PREFIX_NEEDED, field_synonyms
from .wanted import (
    EXACT,
    FOLDED,
    NESTED_SYNONYM,
    SAME_WORDS,
    SYNONYM,
    Offer,
    Wanted,
    offers_of,
    wanted_of,
)
from .words import likeness

_LIKE = 0.55
_MOST_CANDIDATES = 6
_NOWHERE = SchemaReader({}).node()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value of ours that was found, and why it is believed; ``why`` is empty where the name itself says it."""

    wanted: Wanted
    offer: Offer
    why: str = ""

    @property
    def is_near(self) -> bool:
        """Whether it stands in the object itself, not in one that stands there."""
        return len(self.offer.path) == 1


@dataclass(slots=True, kw_only=True)
class Match:
    """What was found of a struct in an object of theirs.

    ``undecided`` holds the candidates of what was not decided, ``absent`` what has not even candidates; ``spread`` are
    nested structs whose fields stand among the parent's; ``unfilled`` are their required values that nothing fills and
    ``optional`` those that only an optional field of ours fills.
    """

    struct: str
    node: Node
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    undecided: dict[str, list[Offer]] = field(default_factory=dict[str, list[Offer]])
    absent: list[Wanted] = field(default_factory=list[Wanted])
    spread: dict[str, "Match"] = field(default_factory=dict[str, "Match"])
    unfilled: list[Offer] = field(default_factory=list[Offer])
    optional: list[Found] = field(default_factory=list[Found])
    left: list[Offer] = field(default_factory=list[Offer])

    @property
    def score(self) -> int:
        """How much speaks for it: required fields count more, what stands deeper less; a spread object is one field."""
        found = self.found.values()
        return len(self.spread) + sum((3 if one.wanted.required else 1) * (2 if one.is_near else 1) for one in found)

    def claims(self) -> Iterator[Found]:
        """All that was found, in spread structs too."""
        yield from self.found.values()
        for match in self.spread.values():
            yield from match.claims()


def match_struct(struct: type[msgspec.Struct], node: Node) -> Match:
    """Find the fields of a struct in an object."""
    match = Match(struct=struct.__name__, node=node)
    wanted, offers = wanted_of(struct), offers_of(node)
    left = _assign(match, wanted, offers)
    missing = [one for one in wanted if one.name not in match.found and one.name not in match.undecided]
    for one in missing:
        if (nested := nested_struct(struct, one.name)) is not None:
            left = _spread(match, one, nested, left)
    _finish(match, missing, left)
    return match


def match_names(wanted: Sequence[Wanted], offers: Sequence[Offer]) -> Match:
    """Find filters among parameters; there is nothing deeper and nothing to spread."""
    match = Match(struct="", node=_NOWHERE)
    left = _assign(match, wanted, offers)
    missing = [one for one in wanted if one.name not in match.found and one.name not in match.undecided]
    _finish(match, missing, left)
    return match


def _assign(match: Match, wanted: Sequence[Wanted], offers: Sequence[Offer]) -> list[Offer]:
    """Take, from the best rank to the worst, what only one of ours can be and what can only be one of ours.

    What several could be is undecided, and worse ranks do not decide it. Returns what nobody claims.
    """
    free = list(offers)
    ranks = {(one.name, offer): one.rank(offer.path, offer.node) for one in wanted for offer in offers}
    for rank in range(EXACT, NESTED_SYNONYM + 1):
        open_ = [one for one in wanted if one.name not in match.found and one.name not in match.undecided]
        edges = {one.name: [offer for offer in free if ranks[one.name, offer] == rank] for one in open_}
        rivals = {offer: sum(offer in some for some in edges.values()) for offer in free}
        claimed: list[Offer] = []
        for one in open_:
            some = edges[one.name]
            if len(some) == 1 and rivals[some[0]] == 1 and not any(some[0].excludes(other) for other in claimed):
                match.found[one.name] = Found(wanted=one, offer=some[0], why=_why(one, some[0], rank))
                claimed += some
            elif some:
                match.undecided[one.name] = some
                claimed += some
        free = [offer for offer in free if not any(offer.excludes(other) for other in claimed)]
    return free


def _why(one: Wanted, offer: Offer, rank: int) -> str:
    if rank in (EXACT, FOLDED):
        return ""
    name = "".join(offer.path).replace("_", "").replace("-", "").casefold()
    if rank == SYNONYM:
        reason = field_synonyms(one.struct, one.name, one.default).get(name, "the same name with its unit")
        return f"synonym: {reason}"
    if rank == SAME_WORDS:
        return "synonym: the same words"
    return "found deeper"


def _spread(match: Match, one: Wanted, nested: type[msgspec.Struct], free: list[Offer]) -> list[Offer]:
    """Look for the fields of a nested object among its parent's; all required ones must be there, and two at least."""
    inner = Match(struct=nested.__name__, node=match.node)
    wanted = wanted_of(nested, bare=nested.__name__ not in PREFIX_NEEDED)
    left = _assign(inner, wanted, free)
    required = [field.name for field in wanted if field.required]
    known = inner.found.keys() | inner.undecided.keys()
    if len(inner.found) < 2 or not known.issuperset(required):
        return free
    inner.absent = [field for field in wanted if field.name not in known]
    match.spread[one.name] = inner
    return left


def _finish(match: Match, missing: Sequence[Wanted], left: list[Offer]) -> None:
    match.left = [offer for offer in left if len(offer.path) == 1]
    for one in missing:
        if one.name in match.spread:
            continue
        near = [offer for offer in match.left if one.fits(offer.node, strictly=True)]
        near.sort(key=lambda offer: -likeness(one.default, offer.path[-1]))
        like = [offer for offer in near if one.required or likeness(one.default, offer.path[-1]) >= _LIKE]
        if like:
            match.undecided[one.name] = like[:_MOST_CANDIDATES]
        else:
            match.absent.append(one)
    claims = list(match.claims())
    match.unfilled = list(_unfilled(match.node, (), claims))
    match.optional = [
        one for one in claims if not one.wanted.always and one.offer.path[-1] in match.node.required and one.is_near
    ]


def _unfilled(node: Node, path: tuple[str, ...], claims: Sequence[Found]) -> Iterator[Offer]:
    """The required values of an object that nothing of ours fills, those of objects that our paths lead through too."""
    for name in node.names:
        here = (*path, name)
        child = node.child(name)
        if child is None or any(one.offer.path == here for one in claims):
            continue
        if any(one.offer.path[: len(here)] == here for one in claims):
            yield from _unfilled(child, here, claims)
        elif name in node.required:
            yield Offer(here, child)
