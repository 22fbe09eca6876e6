"""Comparison of two OpenAPI descriptions of the API, operation by operation and field by field.

It covers paths, parameters, request bodies and the first successful response of each operation. It leaves out error
responses, response headers, security and texts.
"""

from collections.abc import Collection, Iterator
from typing import Any

from .calls import operations_by_key, path_prefix
from .description import BodyDescription, DescribedOperation, Description, ParameterDescription
from .differences import Difference, DifferenceKind, Direction
from .schema_reader import LIMITS, SchemaNode, narrower


def compare(ours: Description, theirs: Description) -> list[Difference]:
    """Return all differences in the order of our operations, then the operations that only they have.

    Names of path parameters and a literal prefix of their paths do not count as differences. Operations whose first
    path segment we never use belong to other parts of the API and are left out.
    """
    prefix = path_prefix(ours, theirs)
    known = operations_by_key(ours, "")
    found = operations_by_key(theirs, prefix)
    differences: list[Difference] = []
    for call, operation in known.items():
        if call in found:
            differences += _OperationComparison(operation, found[call]).differences
        else:
            differences.append(_absent(operation))
    areas = {_area(operation.pattern) for operation in ours.operations}
    for call, operation in found.items():
        if call not in known and _area(call[1]) in areas:
            differences.append(_unknown(operation))
    return differences


def _area(pattern: str) -> str:
    return pattern.split("/", 2)[1]


def _absent(operation: DescribedOperation) -> Difference:
    call = f"{operation.method} {operation.path}"
    return Difference(
        operation=operation.name,
        place="",
        kind=DifferenceKind.OPERATION_ABSENT,
        ours=call,
        theirs=None,
        tag=operation.tag,
        harmless=False,
        sentence=f"We have {call}; they do not.",
    )


def _unknown(operation: DescribedOperation) -> Difference:
    call = f"{operation.method} {operation.path}"
    return Difference(
        operation=call,
        place="",
        kind=DifferenceKind.OPERATION_UNKNOWN,
        ours=None,
        theirs=call,
        tag="",
        harmless=True,
        sentence=f"They have {call}; we do not.",
    )


class _OperationComparison:
    """Comparison of one operation."""

    def __init__(self, ours: DescribedOperation, theirs: DescribedOperation) -> None:
        self.differences: list[Difference] = []
        self._operation = ours
        self._inside: set[tuple[int, int]] = set()
        self._parameters(ours.parameters, theirs.parameters)
        self._request(ours.request, theirs.request)
        if ours.status != theirs.status:
            known, found = ours.status or "not described", theirs.status or "not described"
            says = f"Success is {known} in our contract and {found} in theirs"
            self._add(DifferenceKind.STATUS, "answer", ours.status, theirs.status, says, harmless=bool(theirs.status))
        self._body("answer", "read", ours.answer, theirs.answer)

    def _add(
        self, kind: DifferenceKind, place: str, ours: Any, theirs: Any, says: str, *, harmless: bool, tag: str = ""
    ) -> None:
        self.differences.append(
            Difference(
                operation=self._operation.name,
                place=place,
                kind=kind,
                ours=ours,
                theirs=theirs,
                tag=tag or self._operation.tag,
                harmless=harmless,
                sentence=f"{says}.",
            )
        )

    def _parameters(self, ours: tuple[ParameterDescription, ...], theirs: tuple[ParameterDescription, ...]) -> None:
        known, found = dict(_named(ours)), dict(_named(theirs))
        for key, parameter in known.items():
            place = f"{parameter.place}.{parameter.name}"
            other = found.get(key)
            if other is None:
                says = f"They have no parameter {place}"
                self._add(
                    DifferenceKind.PARAMETER_ABSENT,
                    place,
                    parameter.name,
                    None,
                    says,
                    harmless=False,
                    tag=parameter.tag,
                )
                continue
            tag = parameter.tag or self._operation.tag
            self._required(place, "sent", (parameter.required, other.required), tag)
            self._node(place, "sent", parameter.node, other.node, tag)
        for key, parameter in found.items():
            if key not in known:
                place = f"{parameter.place}.{parameter.name}"
                needed = "a required" if parameter.required else "an optional"
                says = f"They have {needed} parameter {place} that we do not know"
                harmless = not parameter.required
                self._add(DifferenceKind.PARAMETER_UNKNOWN, place, None, parameter.name, says, harmless=harmless)

    def _request(self, ours: BodyDescription | None, theirs: BodyDescription | None) -> None:
        if ours is not None and theirs is not None:
            self._required("request", "sent", (ours.required, theirs.required), self._operation.tag)
        self._body("request", "sent", ours, theirs)

    def _body(
        self, place: str, direction: Direction, ours: BodyDescription | None, theirs: BodyDescription | None
    ) -> None:
        known = frozenset[str]() if ours is None else ours.media
        found = frozenset[str]() if theirs is None else theirs.media
        if known != found:
            says = f"The {place} is {_listed(known)} in our contract and {_listed(found)} in theirs"
            harmless = found <= known if direction == "read" else bool(known) and known <= found
            self._add(DifferenceKind.MEDIA_TYPE, place, sorted(known), sorted(found), says, harmless=harmless)
        if ours is None or theirs is None or ours.node is None or theirs.node is None:
            return
        start = len(self.differences)
        self._node(place, direction, ours.node, theirs.node, self._operation.tag)
        self.differences[start:] = _without_repeats(self.differences[start:], place)

    def _node(self, place: str, direction: Direction, ours: SchemaNode, theirs: SchemaNode, tag: str) -> None:
        pair = (id(ours), id(theirs))
        if pair in self._inside:  # both schemas are recursive
            return
        self._inside.add(pair)
        tag = ours.tag or tag
        if ours.types != theirs.types:
            known, found = sorted(ours.types), sorted(theirs.types)
            says = f"{place} is {_listed(known)} in our contract and {_listed(found)} in theirs"
            self._add(DifferenceKind.TYPE, place, known, found, says, harmless=_fits(direction, ours, theirs), tag=tag)
        if ours.types & theirs.types or ours.types == theirs.types:
            self._null(place, direction, (ours.nullable, theirs.nullable), tag)
            self._values(place, direction, ours, theirs, tag)
            self._limits(place, direction, ours, theirs, tag)
            self._fields(place, direction, ours, theirs, tag)
        if "array" in ours.types & theirs.types:
            self._node(f"{place}[]", direction, ours.items(), theirs.items(), tag)
        self._inside.discard(pair)

    def _fields(self, place: str, direction: Direction, ours: SchemaNode, theirs: SchemaNode, tag: str) -> None:
        if "object" not in ours.types & theirs.types:
            return
        for name in ours.names:
            mine, other = ours.child(name), theirs.child(name)
            there = f"{place}.{name}"
            if other is None or mine is None:
                says = f"They have no field {there}"
                own = tag if mine is None else mine.tag or tag
                self._add(DifferenceKind.FIELD_ABSENT, there, name, None, says, harmless=False, tag=own)
                continue
            self._required(there, direction, (name in ours.required, name in theirs.required), mine.tag or tag)
            self._node(there, direction, mine, other, tag)
        known = set(ours.names)
        for name in theirs.names:
            if name not in known:
                needed = direction == "sent" and name in theirs.required
                says = f"They have {'a required' if needed else 'a'} field {place}.{name} that we do not know"
                self._add(
                    DifferenceKind.FIELD_UNKNOWN, f"{place}.{name}", None, name, says, harmless=not needed, tag=tag
                )

    def _required(self, place: str, direction: Direction, required: tuple[bool, bool], tag: str) -> None:
        ours, theirs = required
        if ours != theirs:
            says = f"{place} is {_needed(ours)} in our contract and {_needed(theirs)} in theirs"
            harmless = theirs if direction == "read" else ours
            self._add(DifferenceKind.REQUIRED, place, ours, theirs, says, harmless=harmless, tag=tag)

    def _null(self, place: str, direction: Direction, nullable: tuple[bool, bool], tag: str) -> None:
        ours, theirs = nullable
        if ours != theirs:
            says = f"{place} {_may(ours)} be null in our contract and {_may(theirs)} in theirs"
            harmless = ours if direction == "read" else theirs
            self._add(DifferenceKind.NULLABLE, place, ours, theirs, says, harmless=harmless, tag=tag)

    def _values(self, place: str, direction: Direction, ours: SchemaNode, theirs: SchemaNode, tag: str) -> None:
        more = [value for value in theirs.values if value not in ours.values]
        less = [value for value in ours.values if value not in theirs.values]
        if more:
            says = f"{place} may be {_listed(more)} in theirs, which we do not know"
            self._add(DifferenceKind.VALUES_UNKNOWN, place, list(ours.values), more, says, harmless=True, tag=tag)
        if less:
            says = f"{place} may be {_listed(less)} in our contract, which they do not list"
            harmless = direction == "read" or not theirs.values  # an empty list of values accepts any
            self._add(DifferenceKind.VALUES_ABSENT, place, less, list(theirs.values), says, harmless=harmless, tag=tag)

    def _limits(self, place: str, direction: Direction, ours: SchemaNode, theirs: SchemaNode, tag: str) -> None:
        for name in LIMITS:
            mine, other = ours.limits.get(name), theirs.limits.get(name)
            if mine != other:
                says = f"{name} of {place} is {_shown(mine)} in our contract and {_shown(other)} in theirs"
                harmless = direction == "read" or _within(name, mine, other)
                limits = ({name: mine}, {name: other})
                self._add(DifferenceKind.LIMIT, place, *limits, says, harmless=harmless, tag=tag)


def _named(parameters: tuple[ParameterDescription, ...]) -> Iterator[tuple[tuple[str, str], ParameterDescription]]:
    """Yield parameters with a key of place and name; path parameters count by position, headers ignore case."""
    position = 0
    for parameter in parameters:
        name = parameter.name
        if parameter.place == "path":
            name = str(position)
            position += 1
        elif parameter.place == "header":
            name = name.casefold()
        yield (parameter.place, name), parameter


def _fits(direction: Direction, ours: SchemaNode, theirs: SchemaNode) -> bool:
    """Return True if the receiving side accepts every type that the sending side may send."""
    given, taken = (ours.types, theirs.types) if direction == "sent" else (theirs.types, ours.types)
    if "number" in taken:
        taken |= {"integer"}
    return not taken or (bool(given) and given <= taken)


def _within(name: str, ours: Any, theirs: Any) -> bool:
    """Return True if every value within our limit is within theirs, too."""
    if ours is None or theirs is None:
        return theirs is None
    return name not in ("pattern", "format") and narrower(name, ours, theirs) == ours


def _without_repeats(differences: list[Difference], place: str) -> list[Difference]:
    """Drop the differences in the rows of a bare list that the rows of the wrapped list show as well."""
    wrapped, bare = f"{place}.items[]", f"{place}[]"
    known = {
        (one.place.removeprefix(wrapped), one.kind, repr(one.theirs))
        for one in differences
        if one.place.startswith(wrapped)
    }
    return [
        one
        for one in differences
        if not (one.place.startswith(bare) and (one.place.removeprefix(bare), one.kind, repr(one.theirs)) in known)
    ]


def _listed(things: Collection[Any]) -> str:
    return " or ".join(sorted(map(str, things))) or "not described"


def _needed(required: bool) -> str:  # noqa: FBT001
    return "required" if required else "optional"


def _may(allowed: bool) -> str:  # noqa: FBT001
    return "may" if allowed else "may not"


def _shown(limit: Any) -> str:
    return "not set" if limit is None else str(limit)
