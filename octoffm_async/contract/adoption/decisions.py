"""Decision on the gathered findings: one spelling for each name, or an open question for a person."""

from dataclasses import dataclass, field, replace

from ..base import OpenEnum
from ..contract_file.model import ContractFile, FieldMapping, OperationMapping
from ..contract_file.registry import BY_NAME, ENUMS, STRUCTS, fields_of
from ..openapi.schema_reader import SchemaNode
from .findings import AdoptionFindings, FieldObservations
from .quoting import key, quoted, value

_SHOWN = 8


@dataclass(slots=True, kw_only=True)
class AdoptionDecisions:
    """The decided parts of a contract file, and the reason of each by table and name."""

    fields: dict[str, dict[str, FieldMapping]] = field(default_factory=dict[str, dict[str, FieldMapping]])
    values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    operations: dict[str, OperationMapping] = field(default_factory=dict[str, OperationMapping])
    extra: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    why: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def contract(self) -> ContractFile:
        """Return the decided parts as a parsed contract file."""
        return ContractFile(fields=self.fields, values=self.values, operations=self.operations, extra=self.extra)


def decide(findings: AdoptionFindings) -> AdoptionDecisions:
    """Decide the unambiguous findings, in the order of our structs; report the rest as open."""
    decided = AdoptionDecisions(why=dict(findings.why))
    for struct in STRUCTS:
        seen = findings.fields.get(struct, {})
        for name, one in fields_of(STRUCTS[struct]).items():
            mapping = _field(findings, decided, struct, name, seen[name]) if name in seen else None
            if mapping is not None and mapping != FieldMapping(path=(one.encode_name,)):
                decided.fields.setdefault(struct, {})[name] = mapping
    for enum, found in findings.values.items():
        _values(findings, decided, ENUMS[enum], found)
    for name in BY_NAME:
        if name in findings.operations and (differs := _operation(name, findings.operations[name])) != _NOTHING:
            decided.operations[name] = differs
    for struct, names in findings.extra.items():
        for name, node in names.items():
            _extra(findings, decided, struct, name, node)
    return decided


_NOTHING = OperationMapping()


def _field(
    findings: AdoptionFindings, decided: AdoptionDecisions, struct: str, name: str, seen: FieldObservations
) -> FieldMapping | None:
    section = f"fields.{struct}"
    spellings = {one.mapping: one for one in reversed(seen.spellings)}  # keeps the first spelling of each mapping
    elsewhere = [offers for _, offers in seen.undecided]
    if len(spellings) > 1:
        places = tuple(f"{_shown(one.mapping)} in {one.operation}" for one in spellings.values())
        cures = [_line(name, mapping) for mapping in spellings]
        says = "they spell it in more than one way, and a contract file can hold only one spelling"
        findings.add_open(section, name, says, candidates=places, cure=cures[0])
        return None
    for mapping, spelling in spellings.items():
        if any(mapping.path not in [offer.path for offer in offers] for offers in elsewhere):
            break
        if spelling.why:
            decided.why[section, name] = spelling.why
        return mapping
    if elsewhere:
        offers = list({offer.path: offer for some in elsewhere for offer in some}.values())[:_SHOWN]
        says = f"its name is not decided (in {', '.join(operation for operation, _ in seen.undecided[:4])})"
        findings.add_open(section, name, says, candidates=offers, cure=_line(name, FieldMapping(path=offers[0].path)))
    return None


def _shown(mapping: FieldMapping) -> str:
    name = ".".join(mapping.path) or "spread into its parent"
    return name if mapping.scale == 1 else f"{name} (x {mapping.scale:g})"


def _line(name: str, mapping: FieldMapping) -> str:
    return f"{name} = {field_text(mapping)}"


def field_text(mapping: FieldMapping) -> str:
    """Return the right-hand side of a field in the file."""
    path = quoted(".".join(mapping.path) or ".")
    return path if mapping.scale == 1 else f"{{ name = {path}, scale = {mapping.scale!r} }}"


def _values(
    findings: AdoptionFindings, decided: AdoptionDecisions, enum: type[OpenEnum], found: dict[str, dict[str, str]]
) -> None:
    section = f"values.{enum.__name__}"
    for member in enum:
        texts = found.get(member.value, {})
        if len(texts) > 1:
            says = "they spell it in more than one way, and a contract file can hold only one spelling"
            cure = f"{key(member.value)} = {quoted(next(iter(texts)))}"
            findings.add_open(section, member.value, says, candidates=tuple(texts), cure=cure)
        for text, why in texts.items() if len(texts) == 1 else ():
            if text != member.value:
                decided.values.setdefault(enum.__name__, {})[member.value] = text
            if why:
                decided.why[section, member.value] = why


def _operation(name: str, mapping: OperationMapping) -> OperationMapping:
    """Return the mapping without the parts that equal the package's defaults."""
    operation = BY_NAME[name]
    defaults = (
        {}
        if operation.filters is None
        else {one.name: one.encode_name for one in fields_of(operation.filters).values()}
    )
    return replace(
        mapping,
        query={name: said for name, said in mapping.query.items() if said != defaults[name]},
        items=None if mapping.items == ("items",) else mapping.items,
        identifier=None if mapping.identifier == (operation.identifier,) else mapping.identifier,
        count=None if mapping.count in {("count",), ("total_item_count",)} else mapping.count,
    )


def _extra(findings: AdoptionFindings, decided: AdoptionDecisions, struct: str, name: str, node: SchemaNode) -> None:
    """Decide a required member that no field of ours fills: its only value or default, else an open question."""
    section = f"extra.{struct}"
    only = node.values[0] if len(node.values) == 1 else node.default
    if only is not None and value(only) is not None:
        decided.extra.setdefault(struct, {})[name] = only
        decided.why[section, name] = "required; " + ("the only value" if len(node.values) == 1 else "their default")
        return
    says = f"they require it ({' or '.join(sorted(node.types)) or 'of any type'}) and no field of ours fills it"
    candidates = tuple(map(str, node.values[:_SHOWN]))
    example = node.values[0] if node.values else next((_EXAMPLES[one] for one in _EXAMPLES if one in node.types), "")
    findings.add_open(section, name, says, candidates=candidates, cure=f"{key(name)} = {value(example)}")


_EXAMPLES: dict[str, object] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": list[object](),
    "object": dict[str, object](),
}
