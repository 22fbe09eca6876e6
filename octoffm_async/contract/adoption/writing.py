"""Writer of the contract file: decided lines with their reasons, and open questions as comments."""

import re
from collections.abc import Iterable, Iterator

from ..contract_file.model import ContractFile, OperationMapping
from ..contract_file.parser import parse_contract
from ..contract_file.problems import ContractFileError
from ..contract_file.registry import BY_NAME, ENUMS, STRUCTS
from .decisions import AdoptionDecisions, field_text
from .findings import AdoptionFindings, OpenQuestion, printable
from .quoting import key, quoted, value

_HEAD = """\
# A contract file: the names that this API uses for the names of the package. Generated from an OpenAPI file.
# Left of = is the package's name, right of it theirs; names that the file does not list are the same in both.
# Review the lines that are marked "synonym", and decide the lines that begin with "# open".
"""
_LINE = re.compile(r"line (\d+): ")


def contract_text(findings: AdoptionFindings, decided: AdoptionDecisions) -> tuple[str, ContractFile]:
    """Return the file and its parsed form. A line that the parser rejects becomes an open question."""
    lines = list(_lines(findings, decided))
    while True:
        text = "\n".join(lines) + "\n"
        try:
            return text, parse_contract(text)
        except ContractFileError as error:
            numbers = {int(found[1]) for one in error.problems if (found := _LINE.match(one))}
            active = [number - 1 for number in numbers if not lines[number - 1].startswith(("#", "["))]
            if not active:
                raise
            for number in active:
                says = next(one for one in error.problems if one.startswith(f"line {number + 1}: "))
                line = lines[number]
                lines[number] = f"# open: {line}  # {printable(says.partition(': ')[2])}"
                name = line.partition(" = ")[0]
                section = next(one[1:-1] for one in reversed(lines[:number]) if one.startswith("["))
                findings.add_open(section, name, says.partition(": ")[2], cure=line.partition("  #")[0])


def _lines(findings: AdoptionFindings, decided: AdoptionDecisions) -> Iterator[str]:
    yield from _HEAD.splitlines()
    opened: dict[str, list[OpenQuestion]] = {}
    for one in findings.open:
        opened.setdefault(one.section, []).append(one)
    for section, entries in _sections(decided):
        rest = opened.pop(section, [])
        remarks = findings.remarks.get(section, [])
        if not entries and not rest:
            continue
        yield from ("", f"[{section}]")
        yield from (f"# {remark}" for remark in remarks)
        yield from entries
        yield from _opened(rest)
    for section, rest in opened.items():
        yield from ("", f"# {section}", *_opened(rest))


def _opened(some: Iterable[OpenQuestion]) -> Iterator[str]:
    for one in some:
        yield f"# open: {one.sentence}"
        if one.cure:
            yield f"# {one.cure}"


def _sections(decided: AdoptionDecisions) -> Iterator[tuple[str, list[str]]]:
    for struct in STRUCTS:
        said = decided.fields.get(struct, {})
        yield (
            f"fields.{struct}",
            [
                f"{name} = {field_text(mapping)}{_why(decided, f'fields.{struct}', name)}"
                for name, mapping in said.items()
            ],
        )
    for enum in ENUMS:
        texts = decided.values.get(enum, {})
        yield (
            f"values.{enum}",
            [f"{key(name)} = {quoted(text)}{_why(decided, f'values.{enum}', name)}" for name, text in texts.items()],
        )
    for name in BY_NAME:
        yield f'operations."{name}"', _operation(decided, name)
    for struct in STRUCTS:
        extra = decided.extra.get(struct, {})
        yield (
            f"extra.{struct}",
            [f"{key(name)} = {value(said)}{_why(decided, f'extra.{struct}', name)}" for name, said in extra.items()],
        )


def _why(decided: AdoptionDecisions, section: str, name: str) -> str:
    why = decided.why.get((section, name))
    return f"  # {printable(why)}" if why else ""


def _operation(decided: AdoptionDecisions, operation: str) -> list[str]:
    mapping, section = decided.operations.get(operation, OperationMapping()), f'operations."{operation}"'
    lines: list[str] = []
    if mapping.path is not None:
        lines.append(f"path = {quoted(mapping.path)}")
    if mapping.wrap is not None:
        form = f", as = {quoted(mapping.body)}" if mapping.body else ""
        lines.append(f"body = {{ wrap = {quoted(mapping.wrap)}{form} }}")
    elif mapping.body is not None:
        lines.append(f"body = {quoted(mapping.body)}")
    for name, said in mapping.query.items():
        lines.append(f"query.{name} = {quoted(said)}{_why(decided, section, f'query.{name}')}")
    places = {"items": mapping.items, "result": mapping.result, "id": mapping.identifier, "count": mapping.count}
    lines += [f"{name} = {quoted('.'.join(path))}" for name, path in places.items() if path is not None]
    return lines
