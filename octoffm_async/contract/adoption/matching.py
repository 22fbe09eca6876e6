"""Matching of our fields with the values in another description: each of their values to one of ours at most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from ..contract_file.registry import nested_struct
from ..openapi.schema_reader import SchemaNode, SchemaReader
from .synonyms import PREFIX_NEEDED, field_synonyms, name_similarity
from .targets import (
    EXACT,
    FOLDED,
    NESTED_SYNONYM,
    SAME_WORDS,
    SYNONYM,
    CandidateValue,
    TargetField,
    candidate_values,
    target_fields,
)

_LIKE = 0.55
_MOST_CANDIDATES = 6
_NOWHERE = SchemaReader({}).node()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMatch:
    """A matched field of ours and the reason of the match; ``why`` is empty if the names are equal."""

    target: TargetField
    offer: CandidateValue
    why: str = ""

    @property
    def is_near(self) -> bool:
        """True if the value is a direct member of the object, not of a nested one."""
        return len(self.offer.path) == 1


@dataclass(slots=True, kw_only=True)
class StructMatch:
    """The match of a struct with an object of theirs.

    ``undecided`` holds the candidates of fields that are not decided, ``absent`` the fields without candidates,
    ``spread`` the nested structs whose fields are members of the parent, ``unfilled`` their required values that no
    field of ours fills, and ``optional`` those that only an optional field of ours fills.
    """

    struct: str
    node: SchemaNode
    found: dict[str, FieldMatch] = field(default_factory=dict[str, FieldMatch])
    undecided: dict[str, list[CandidateValue]] = field(default_factory=dict[str, list[CandidateValue]])
    absent: list[TargetField] = field(default_factory=list[TargetField])
    spread: dict[str, "StructMatch"] = field(default_factory=dict[str, "StructMatch"])
    unfilled: list[CandidateValue] = field(default_factory=list[CandidateValue])
    optional: list[FieldMatch] = field(default_factory=list[FieldMatch])
    left: list[CandidateValue] = field(default_factory=list[CandidateValue])

    @property
    def score(self) -> int:
        """The weight of the match: required fields count more, nested values less, a spread object as one field."""
        found = self.found.values()
        return len(self.spread) + sum((3 if one.target.required else 1) * (2 if one.is_near else 1) for one in found)

    def claims(self) -> Iterator[FieldMatch]:
        """Yield all matched fields, including those of spread structs."""
        yield from self.found.values()
        for match in self.spread.values():
            yield from match.claims()


def match_struct(struct: type[msgspec.Struct], node: SchemaNode) -> StructMatch:
    """Match the fields of a struct with the values of an object."""
    match = StructMatch(struct=struct.__name__, node=node)
    targets, offers = target_fields(struct), candidate_values(node)
    left = _assign(match, targets, offers)
    missing = [one for one in targets if one.name not in match.found and one.name not in match.undecided]
    for one in missing:
        if (nested := nested_struct(struct, one.name)) is not None:
            left = _spread(match, one, nested, left)
    _finish(match, missing, left)
    return match


def match_names(targets: Sequence[TargetField], offers: Sequence[CandidateValue]) -> StructMatch:
    """Match filters with parameters, which have no nested values."""
    match = StructMatch(struct="", node=_NOWHERE)
    left = _assign(match, targets, offers)
    missing = [one for one in targets if one.name not in match.found and one.name not in match.undecided]
    _finish(match, missing, left)
    return match


def _assign(
    match: StructMatch, targets: Sequence[TargetField], offers: Sequence[CandidateValue]
) -> list[CandidateValue]:
    """Assign values to fields from the best rank to the worst, if the pair is unique on both sides.

    A field with several possible values is undecided, and worse ranks do not decide it. Return the unassigned values.
    """
    free = list(offers)
    ranks = {(one.name, offer): one.rank(offer.path, offer.node) for one in targets for offer in offers}
    for rank in range(EXACT, NESTED_SYNONYM + 1):
        open_ = [one for one in targets if one.name not in match.found and one.name not in match.undecided]
        edges = {one.name: [offer for offer in free if ranks[one.name, offer] == rank] for one in open_}
        rivals = {offer: sum(offer in some for some in edges.values()) for offer in free}
        claimed: list[CandidateValue] = []
        for one in open_:
            some = edges[one.name]
            if len(some) == 1 and rivals[some[0]] == 1 and not any(some[0].excludes(other) for other in claimed):
                match.found[one.name] = FieldMatch(target=one, offer=some[0], why=_why(one, some[0], rank))
                claimed += some
            elif some:
                match.undecided[one.name] = some
                claimed += some
        free = [offer for offer in free if not any(offer.excludes(other) for other in claimed)]
    return free


def _why(one: TargetField, offer: CandidateValue, rank: int) -> str:
    if rank in (EXACT, FOLDED):
        return ""
    name = "".join(offer.path).replace("_", "").replace("-", "").casefold()
    if rank == SYNONYM:
        reason = field_synonyms(one.struct, one.name, one.default).get(name, "the same name with its unit")
        return f"synonym: {reason}"
    if rank == SAME_WORDS:
        return "synonym: the same words"
    return "found deeper"


def _spread(
    match: StructMatch, one: TargetField, nested: type[msgspec.Struct], free: list[CandidateValue]
) -> list[CandidateValue]:
    """Match the fields of a nested object with members of its parent; all required ones, and two at least."""
    inner = StructMatch(struct=nested.__name__, node=match.node)
    targets = target_fields(nested, bare=nested.__name__ not in PREFIX_NEEDED)
    left = _assign(inner, targets, free)
    required = [field.name for field in targets if field.required]
    known = inner.found.keys() | inner.undecided.keys()
    if len(inner.found) < 2 or not known.issuperset(required):
        return free
    inner.absent = [field for field in targets if field.name not in known]
    match.spread[one.name] = inner
    return left


def _finish(match: StructMatch, missing: Sequence[TargetField], left: list[CandidateValue]) -> None:
    match.left = [offer for offer in left if len(offer.path) == 1]
    for one in missing:
        if one.name in match.spread:
            continue
        near = [offer for offer in match.left if one.fits(offer.node, strictly=True)]
        near.sort(key=lambda offer: -name_similarity(one.default, offer.path[-1]))
        like = [offer for offer in near if one.required or name_similarity(one.default, offer.path[-1]) >= _LIKE]
        if like:
            match.undecided[one.name] = like[:_MOST_CANDIDATES]
        else:
            match.absent.append(one)
    claims = list(match.claims())
    match.unfilled = list(_unfilled(match.node, (), claims))
    match.optional = [
        one for one in claims if not one.target.always and one.offer.path[-1] in match.node.required and one.is_near
    ]


def _unfilled(node: SchemaNode, path: tuple[str, ...], claims: Sequence[FieldMatch]) -> Iterator[CandidateValue]:
    """Yield the required values that no field of ours fills, also in the objects on the way to nested fields."""
    for name in node.names:
        here = (*path, name)
        child = node.child(name)
        if child is None or any(one.offer.path == here for one in claims):
            continue
        if any(one.offer.path[: len(here)] == here for one in claims):
            yield from _unfilled(child, here, claims)
        elif name in node.required:
            yield CandidateValue(here, child)
