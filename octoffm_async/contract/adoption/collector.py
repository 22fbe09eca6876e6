"""Collection of findings, operation by operation: our structs, values, filters and bodies in their description."""

from collections.abc import Mapping
from typing import Any

from ..answers.names import folded
from ..contract_file.model import FieldMapping, OperationMapping
from ..contract_file.registry import STRUCTS, fields_of, structs_in
from ..openapi.description import DescribedOperation
from ..openapi.schema_reader import SchemaNode
from ..operations import Operation, Shape
from .envelopes import count_in, find_place, identifier_in, request_form
from .findings import AdoptionFindings, Direction, FieldSpelling, inner_of, matches_in
from .matching import FieldMatch, StructMatch, match_names, match_struct
from .paths import path_of
from .quoting import quoted
from .targets import CandidateValue, TargetKind, target_fields
from .units import UndecidedUnitError, scale_of, scales_of, unit_of
from .values import match_values

_SENT_AS: Mapping[TargetKind, frozenset[str]] = {
    "object": frozenset({"object"}),
    "array": frozenset({"array"}),
    "number": frozenset({"number", "integer"}),
    "boolean": frozenset({"boolean"}),
    "time": frozenset({"string"}),
    "text": frozenset({"string"}),
}
_OUR_HEADERS = frozenset({"sellerid", "saleschannelid"})


class FindingsCollector:
    """Collector for one description; it compares each pair of a struct and an object once in each operation."""

    def __init__(self, findings: AdoptionFindings) -> None:
        self._findings = findings
        self._operation: Operation[Any]
        self._looked_at: set[tuple[str, int]] = set()

    def look_at(self, operation: Operation[Any], theirs: DescribedOperation, prefix: str) -> None:
        """Collect the findings of one operation."""
        self._operation, self._looked_at = operation, set()
        mapping: dict[str, Any] = {"path": path_of(operation, theirs, prefix)}
        mapping["query"] = self._parameters(theirs)
        request = None if theirs.request is None else theirs.request.node
        if operation.request is not None:
            mapping |= self._request(operation.request, request)
        answer = None if theirs.answer is None else theirs.answer.node
        if answer is not None:
            mapping |= self._answer(answer)
        self._findings.operations[operation.name] = OperationMapping(**mapping)

    @property
    def _section(self) -> str:
        return f'operations."{self._operation.name}"'

    def _parameters(self, theirs: DescribedOperation) -> dict[str, str]:
        for parameter in theirs.parameters:
            is_header = parameter.place == "header" and parameter.required
            if is_header and folded(parameter.name) not in _OUR_HEADERS:
                says = f"they require the header {parameter.name}, which a contract file cannot set"
                self._findings.add_open(self._section, "", says)
        if self._operation.filters is None:
            return {}
        queries = {one.name: one for one in theirs.parameters if one.place == "query"}
        offers = [CandidateValue((name,), one.node) for name, one in queries.items()]
        match = match_names(target_fields(self._operation.filters), offers)
        found = {name: one.offer.path[0] for name, one in match.found.items()}
        for one in match.found.values():
            self._values(one)
            if one.why:
                self._findings.why[self._section, f"query.{one.target.name}"] = one.why
        for name, some in match.undecided.items():
            says = "the filter is not decided" if len(some) > 1 else "the filter may be this one"
            cure = f'query = {{ {name} = "{some[0].path[0]}" }}'
            self._findings.add_open(self._section, name, says, candidates=some, cure=cure)
        for absent in match.absent:
            self._findings.note(f"{self._operation.name}: they have no filter like {absent.name}")
        for offer in match.left:
            if queries[offer.path[0]].required:
                says = f"they require the parameter {offer.path[0]}, which a contract file cannot set"
                self._findings.add_open(self._section, "", says)
        return {
            target.name: found[target.name] for target in target_fields(self._operation.filters) if target.name in found
        }

    def _request(self, struct: Any, node: SchemaNode | None) -> dict[str, Any]:
        place = None if node is None else find_place(node, struct, lists=None, depth=1)
        if place is None or node is None:
            says = f"their request has nothing of {struct.__name__}" if node else "they describe no request as JSON"
            self._findings.add_open(self._section, "body", says)
            return {}
        wrap, body = request_form(self._operation, place)
        if wrap is not None:
            for name in node.required - {wrap}:
                says = f"they require {name} beside {wrap}, which a contract file cannot set"
                self._findings.add_open(self._section, "body", says)
        self._struct(place.match, "sent")
        return {"wrap": wrap, "body": body}

    def _answer(self, node: SchemaNode) -> dict[str, Any]:
        operation, findings = self._operation, self._findings
        match operation.shape:
            case Shape.PAGE | Shape.OPTIONAL:
                return self._placed(node, _rows_of(operation), "items", lists=True)
            case Shape.OBJECT | Shape.DOCUMENT:
                return self._placed(node, operation.answer, "result", lists=False)
            case Shape.IDENTIFIER:
                if node.types and node.types.isdisjoint({"object", "array"}):
                    return {}
                path, some = identifier_in(operation, node)
                if path is None:
                    says = "the id of a creation is not found in their answer"
                    cure = f"id = {quoted('.'.join(some[0].path))}" if some else ""
                    findings.add_open(self._section, "id", says, candidates=some, cure=cure)
                return {"identifier": path}
            case Shape.COUNT:
                path, some = count_in(node)
                if path is None:
                    cure = f"count = {quoted('.'.join(some[0].path))}" if some else ""
                    says = "the number of a count is not found in their answer"
                    findings.add_open(self._section, "count", says, candidates=some, cure=cure)
                return {"count": path or None}
            case Shape.RAW:
                return {}

    def _placed(self, node: SchemaNode, struct: Any, name: str, *, lists: bool) -> dict[str, Any]:
        place = find_place(node, struct, lists=lists, depth=2)
        if place is None:
            if node.types:
                self._findings.add_open(self._section, name, f"their answer has nothing of {struct.__name__}")
            return {}
        self._struct(place.match, "read")
        return {name: place.path or None}

    def _struct(self, match: StructMatch, direction: Direction) -> None:
        """Collect the findings of an object about a struct and its nested structs."""
        if (match.struct, id(match.node)) in self._looked_at:
            return
        self._looked_at.add((match.struct, id(match.node)))
        findings, name = self._findings, self._operation.name
        for part in matches_in(match):
            for field, found in part.found.items():
                self._field(part, field, found, direction)
            for field, offers in part.undecided.items():
                findings.observations_of(part.struct, field).undecided.append((name, offers))
            for field in part.spread:
                spelling = FieldSpelling(mapping=FieldMapping(path=()), why="spread into its parent", operation=name)
                findings.observations_of(part.struct, field).spellings.append(spelling)
            if part.absent:
                left = ", ".join(".".join(offer.path) for offer in match.left[:12])
                ours = ", ".join(one.name for one in part.absent)
                says = f"{part.struct} in {name}: they have nothing like {ours}"
                findings.note(f"{says} (no field of ours is {left})" if left else says)
        if direction == "sent":
            self._requirements(match)

    def _field(self, match: StructMatch, field: str, found: FieldMatch, direction: Direction) -> None:
        scale, why = 1.0, found.why
        if unit_of(field):
            if (found_scale := self._scale(match, field, found)) is None:
                return
            scale, unit = found_scale
            why = "; ".join(part for part in (why, f"in {unit}" if unit else "") if part)
        spelling = FieldSpelling(
            mapping=FieldMapping(path=found.offer.path, scale=scale), why=why, operation=self._operation.name
        )
        self._findings.observations_of(match.struct, field).spellings.append(spelling)
        self._values(found)
        types, sent_as = found.offer.node.types, _SENT_AS[found.target.kind]
        if direction == "sent" and types and types.isdisjoint(sent_as):
            they = f"they want {' or '.join(sorted(types))} in {self._operation.name}"
            self._findings.add_open(
                f"fields.{match.struct}",
                field,
                f"we send {min(sent_as)} and {they}, which a contract file cannot convert",
            )
        if (inner := inner_of(found)) is not None:
            self._struct(match_struct(*inner), direction)

    def _scale(self, match: StructMatch, field: str, found: FieldMatch) -> tuple[float, str] | None:
        """Return the scale of a number with a unit, and their unit if named; None (and reported) if undecided."""
        node, path = found.offer.node, found.offer.path
        try:
            found_scale = scale_of(field, path[-1], node.text, match.node.text)
        except UndecidedUnitError as error:
            cure = f"{field} = {{ name = {quoted('.'.join(path))}, scale = 1 }}"
            says = f"{error}, so its scale is not decided"
            candidates = tuple(scales_of(field))
            self._findings.add_open(f"fields.{match.struct}", field, says, candidates=candidates, cure=cure)
            return None
        if found_scale is None and not node.tag:
            ours = unit_of(field)
            self._findings.remark(f"fields.{match.struct}", f"they name no unit of {field}; it is sent in {ours}")
            self._findings.note(f"{match.struct}.{field}: they name no unit; it is sent in {ours}")
        return found_scale or (1.0, "")

    def _values(self, found: FieldMatch) -> None:
        enum, listed = found.target.enum, found.offer.node.values
        if enum is None or not listed:
            return
        match = match_values(enum, listed)
        for value, (text, why) in match.found.items():
            self._findings.values.setdefault(enum.__name__, {}).setdefault(value, {})[text] = why
        for value, some in match.undecided.items():
            cure = f"{value} = {quoted(some[0])}"
            says = "its spelling is not decided"
            self._findings.add_open(f"values.{enum.__name__}", value, says, candidates=tuple(some), cure=cure)

    def _requirements(self, match: StructMatch) -> None:
        """Report the members that their schema requires of a request and ours does not always send."""
        for offer in match.unfilled:
            name, node = offer.path[0], offer.node
            if len(offer.path) > 1:
                says = f"they require {'.'.join(offer.path)}, which a contract file cannot set"
                self._findings.add_open(f"extra.{match.struct}", "", says)
            else:
                self._findings.extra.setdefault(match.struct, {})[name] = node
        for one in match.optional:
            says = f"they require {'.'.join(one.offer.path)}: always give {one.target.name}"
            self._findings.remark(f"fields.{one.target.struct}", says)
            self._findings.note(f"{one.target.struct}.{one.target.name}: they require it, so always give it")


def _rows_of(operation: Operation[Any]) -> Any:
    """Return the struct of the rows in an operation's answer."""
    waiting = [operation.answer]
    while waiting:
        for struct in structs_in(waiting.pop(0)):
            if struct.__name__ in STRUCTS:
                return struct
            waiting += [field.type for field in fields_of(struct).values()]
    raise LookupError(operation.name)
