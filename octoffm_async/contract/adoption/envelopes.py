"""Detection of envelopes in another description: a wrapped request, the rows of a list, an id, a count."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ..answers.names import folded
from ..contract_file.registry import STRUCTS
from ..openapi.schema_reader import SchemaNode
from ..operations import Operation
from .matching import StructMatch, match_struct
from .synonyms import COUNTS, field_synonyms
from .targets import FOLDED, CandidateValue, Path, TargetField, candidate_values, target_fields

_MOST_MEMBERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """The place of an object or of the rows of a list, and the match of its fields."""

    path: Path
    is_list: bool
    node: SchemaNode
    match: StructMatch


def find_place(node: SchemaNode, struct: type[msgspec.Struct], *, lists: bool | None, depth: int) -> ObjectPlace | None:
    """Return the place with the most fields of a struct, the nearest of equals; None if no place has any.

    ``lists`` says if the place must be a list (True), must not be one (False), or may be one (None).
    """
    best: ObjectPlace | None = None
    for path, is_list, inner in _candidates(node, depth):
        if lists is not None and is_list is not lists:
            continue
        match = match_struct(struct, inner)
        if match.score > (0 if best is None else best.match.score):
            best = ObjectPlace(path=path, is_list=is_list, node=inner, match=match)
    return best


def _candidates(node: SchemaNode, depth: int) -> Iterator[tuple[Path, bool, SchemaNode]]:
    """Yield the object itself or its rows, then its members, nearest first."""
    level: list[tuple[Path, SchemaNode]] = [((), node)]
    for _ in range(depth + 1):
        for path, one in level:
            if "array" in one.types:
                yield path, True, one.items()
            if "object" in one.types:
                yield path, False, one
        level = [(offer.path, offer.node) for path, one in level for offer in _members(path, one)][:_MOST_MEMBERS]


def _members(path: Path, node: SchemaNode) -> list[CandidateValue]:
    if "object" not in node.types:
        return []
    offers = [offer for offer in candidate_values(node) if len(offer.path) == 1]
    inner = [offer for offer in offers if not offer.node.types.isdisjoint({"object", "array"})]
    return [CandidateValue((*path, *offer.path), offer.node) for offer in inner]


def request_form(operation: Operation[Any], place: ObjectPlace) -> tuple[str | None, Literal["array", "object"] | None]:
    """Return the wrapping member of a request, and its form (array or object) if ours is the other one."""
    wrap = place.path[0] if place.path else None
    ours = "array" if operation.max_items > 1 else "object"
    theirs: Literal["array", "object"] = "array" if place.is_list else "object"
    return wrap, None if theirs == ours else theirs


def identifier_in(operation: Operation[Any], node: SchemaNode) -> tuple[Path | None, list[CandidateValue]]:
    """Return the path to the id of a creation, or its candidates; neither if the body has no id-like value."""
    struct, field = _identified(operation)
    target = TargetField(
        struct=struct,
        name=field,
        default=operation.identifier,
        kind="text",
        required=True,
    )
    offers = [offer for offer in candidate_values(node) if not offer.node.types.isdisjoint({"string", "integer"})]
    ranked = [(rank, offer) for offer in offers if (rank := _rank(target, offer)) is not None]
    if ranked:
        best = min(rank for rank, _ in ranked)
        some = [offer for rank, offer in ranked if rank == best]
        return (some[0].path, []) if len(some) == 1 else (None, some)
    return None, [offer for offer in offers if folded(offer.path[-1]).endswith("id")][:6]


def _rank(target: TargetField, offer: CandidateValue) -> tuple[int, int] | None:
    """Rank an offer by its name and its depth; an id may be in any object."""
    name = folded(offer.path[-1])
    if name == folded(target.default):
        return FOLDED, len(offer.path)
    synonyms = field_synonyms(target.struct, target.name, target.default)
    return (FOLDED + 1 + (name == "id"), len(offer.path)) if name in synonyms else None


def _identified(operation: Operation[Any]) -> tuple[str, str]:
    """Return the struct and the field of the id in the answer to a creation."""
    for name, struct in STRUCTS.items():
        for target in target_fields(struct):
            if target.required and target.default == operation.identifier and f"{name}Request" in STRUCTS:
                return name, target.name
    return "", operation.identifier


def count_in(node: SchemaNode) -> tuple[Path | None, list[CandidateValue]]:
    """Return the path to the number of a count (empty: the body is the number), or its candidates."""
    if "integer" in node.types or "number" in node.types or not node.types:
        return (), []
    offers = [offer for offer in candidate_values(node) if "integer" in offer.node.types]
    named = [offer for offer in offers if folded(offer.path[-1]) in COUNTS]
    some = named or offers
    return (some[0].path, []) if len(some) == 1 else (None, some[:6])
