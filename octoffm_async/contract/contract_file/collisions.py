"""Checks of a contract file for ambiguous names: one wire name that would stand for two fields.

Names are compared as the client compares them in answers: without case, ``_`` and ``-``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..answers.names import folded
from ..operations import OPERATIONS
from .model import ContractFile
from .operation_tables import placeholders_hidden
from .problems import KeyPath, MistakeCollector
from .registry import BY_NAME, ENUMS, STRUCTS, fields_of, nested_struct

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a field on the wire; ``keys`` holds its key in the file and those that spread its object."""

    path: _Path
    label: str
    keys: tuple[KeyPath, ...]


def struct_collisions(problems: MistakeCollector, contract: ContractFile) -> None:
    """Report fields of one struct with the same place on the wire, including spread objects and extra members."""
    reported: set[frozenset[str]] = set()
    for struct in STRUCTS:
        taken: dict[_Path, _Place] = {}
        above: dict[_Path, _Place] = {}  # objects on the way to nested fields
        for place in _places(contract, struct, (), ()):
            path = tuple(map(folded, place.path))
            other = next((taken[path[:n]] for n in range(1, len(path) + 1) if path[:n] in taken), above.get(path))
            if other is None:
                taken[path] = place
                above |= {path[:n]: place for n in range(1, len(path))}
            elif (pair := frozenset({place.label, other.label})) not in reported:
                reported.add(pair)
                said = next((key for key in (*place.keys, *other.keys) if _is_said(contract, key)), place.keys[0])
                name = ".".join(place.path)
                problems.add(said, f"{place.label} and {other.label} would have one name in {struct}, {name}")


def _is_said(contract: ContractFile, key: KeyPath) -> bool:
    return key[0] == "extra" or key[2] in contract.fields.get(key[1], {})


def _places(contract: ContractFile, struct: str, inside: _Path, via: tuple[KeyPath, ...]) -> Iterator[_Place]:
    """Yield the place of each field of a struct, including spread objects, then those of its extra members."""
    if struct in inside:
        return
    said = contract.fields.get(struct, {})
    for name, field in fields_of(STRUCTS[struct]).items():
        keys = (("fields", struct, name), *via)
        path = said[name].path if name in said else (field.encode_name,)
        nested = nested_struct(STRUCTS[struct], name)
        if path or nested is None:
            yield _Place(path, f"{struct}.{name}", keys)
        else:
            yield from _places(contract, nested.__name__, (*inside, struct), keys)
    for name in contract.extra.get(struct, {}):
        yield _Place((name,), f"extra.{struct}.{name}", (("extra", struct, name), *via))


def value_collisions(problems: MistakeCollector, contract: ContractFile) -> None:
    """Report values of one enum with the same spelling."""
    for enum, said in contract.values.items():
        taken: dict[str, str] = {}
        for member in sorted(ENUMS[enum], key=lambda one: one.value in said):
            text = said.get(member.value, member.value)
            if (other := taken.setdefault(folded(text), member.value)) != member.value:
                key = ("values", enum, member.value)
                problems.add(key, f"{enum}.{member.value} and {enum}.{other} would have one spelling, {text}")


def operation_collisions(problems: MistakeCollector, contract: ContractFile) -> None:
    """Report operations with the same method and path, and filters of one operation with the same parameter."""
    calls: dict[tuple[str, str], str] = {}
    said = contract.operations
    for operation in sorted(OPERATIONS, key=lambda one: one.name in said and said[one.name].path is not None):
        path = (said[operation.name].path if operation.name in said else None) or operation.path
        call = (operation.method, placeholders_hidden(path).casefold())
        if (other := calls.setdefault(call, operation.name)) != operation.name:
            key = ("operations", operation.name, "path")
            problems.add(key, f"{operation.name} and {other} would be one call, {operation.method} {path}")
    for name, mapping in said.items():
        if (filters := BY_NAME[name].filters) is None:
            continue
        taken: dict[str, str] = {}
        for field in sorted(fields_of(filters).values(), key=lambda one: one.name in mapping.query):
            parameter = mapping.query.get(field.name, field.encode_name)
            if (other := taken.setdefault(folded(parameter), field.name)) != field.name:
                problems.add(
                    ("operations", name, "query", field.name),
                    f"{name}: the filters {field.name} and {other} would be one parameter, {parameter}",
                )
