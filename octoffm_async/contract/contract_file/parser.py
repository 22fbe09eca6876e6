"""Parser of contract files; it reports each mistake with its line, struct and field, and the nearest valid name."""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, cast

from .collisions import operation_collisions, struct_collisions, value_collisions
from .model import ContractFile, FieldMapping, OperationMapping
from .operation_tables import operation_mapping
from .problems import ContractFileError, MistakeCollector, nearest_hint, quoted_name
from .registry import BY_NAME, ENUMS, REQUESTS, STRUCTS, fields_of, is_number, nested_struct
from .settings_text import decode_settings
from .wire_names import is_wire_name, wire_path

MAX_BYTES = 1024 * 1024
_SECTIONS = ("fields", "values", "operations", "extra")
_Table = Mapping[str, Any]


def read_contract(path: Path | str) -> ContractFile:
    """Read a contract file. Raises :class:`ContractFileError` for mistakes, and if the file cannot be opened."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ContractFileError(str(path), [error.strerror or type(error).__name__]) from None
    if len(content) > MAX_BYTES:
        raise ContractFileError(str(path), ["it is larger than 1 MiB"])
    try:
        text = decode_settings(content)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContractFileError(str(path), [f"line {line}: it is not UTF-8"]) from None
    return parse_contract(text, source=str(path))


def parse_contract(text: str, *, source: str = "") -> ContractFile:
    """Parse the text of a contract file. Raises :class:`ContractFileError` with all its mistakes."""
    if len(text) > MAX_BYTES:
        raise ContractFileError(source, ["it is larger than 1 MiB"])
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ContractFileError(source, ["it is nested too deeply"]) from None
    except ValueError as error:  # TOMLDecodeError, or int() on thousands of digits
        raise ContractFileError(source, [f"it is not TOML: {error}"]) from None
    problems = MistakeCollector(text)
    for name in document:
        if name not in _SECTIONS:
            problems.add_unknown_name((name,), "the section", _SECTIONS)
    contract = ContractFile(
        fields=_fields(problems, document),
        values=_values(problems, document),
        operations=_operations(problems, document),
        extra=_extra(problems, document),
        source=source,
    )
    # Collisions are checked among the entries that are valid by themselves.
    struct_collisions(problems, contract)
    value_collisions(problems, contract)
    operation_collisions(problems, contract)
    if problems.messages:
        raise ContractFileError(source, problems.messages)
    return contract


def _tables(
    problems: MistakeCollector, document: _Table, section: str, known: Mapping[str, Any]
) -> Iterator[tuple[str, _Table]]:
    """Yield the tables of a section with known names; report the rest."""
    found = document.get(section, {})
    if not isinstance(found, dict):
        problems.add((section,), f"{section} is not a table, such as [{section}.{next(iter(known))}]")
        return
    for name, table in cast("dict[str, Any]", found).items():
        if name not in known:
            thing = {"values": "the enum", "operations": "the operation"}.get(section, "the struct")
            problems.add_unknown_name((section, name), thing, known)
        elif not isinstance(table, dict):
            problems.add((section, name), f"{section}.{name} is not a table")
        else:
            yield name, cast(_Table, table)


def _fields(problems: MistakeCollector, document: _Table) -> dict[str, dict[str, FieldMapping]]:
    found: dict[str, dict[str, FieldMapping]] = {}
    for name, table in _tables(problems, document, "fields", STRUCTS):
        fields = fields_of(STRUCTS[name])
        for field, said in table.items():
            key = ("fields", name, field)
            if field not in fields:
                by_wire = [one.name for one in fields.values() if one.encode_name == field]
                hint = f"; do you mean {by_wire[0]}?" if by_wire else nearest_hint(field, fields)
                problems.add(key, f"{name} has no field {quoted_name(field)}{hint}")
            elif (mapping := _field(problems, key, said)) is not None:
                found.setdefault(name, {})[field] = mapping
    return found


def _field(problems: MistakeCollector, key: tuple[str, str, str], said: Any) -> FieldMapping | None:
    _, struct, field = key
    label = f"{struct}.{field}"
    table: _Table = cast(_Table, said) if isinstance(said, dict) else {"name": said}
    for name in table:
        if name not in ("name", "scale"):
            problems.add((*key, name), f"{label} can have name and scale, not {quoted_name(name)}")
            return None
    default = fields_of(STRUCTS[struct])[field].encode_name
    path = wire_path(problems, key, table.get("name", default), label, may_spread=True)
    scale = _scale(problems, key, table)
    if path is None or scale is None:
        return None
    if not path and nested_struct(STRUCTS[struct], field) is None:
        problems.add(key, f'{label} cannot be "." (spread into {struct}), because it is not a single object')
        return None
    return FieldMapping(path=path, scale=scale)


def _scale(problems: MistakeCollector, key: tuple[str, str, str], table: _Table) -> float | None:
    if "scale" not in table:
        return 1.0
    scale, (_, struct, field) = table["scale"], key
    label = f"the scale of {struct}.{field}"
    if not is_number(fields_of(STRUCTS[struct])[field].type):
        problems.add(key, f"{label} has no meaning, because the field is not a number")
    elif isinstance(scale, bool) or not isinstance(scale, int | float):
        problems.add(key, f"{label} is not a number")
    elif not 1e-12 <= scale <= 1e12:  # nan fails both comparisons
        problems.add(key, f"{label} is not a number greater than 0 (and from 1e-12 to 1e12)")
    else:
        return float(scale)
    return None


def _values(problems: MistakeCollector, document: _Table) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, table in _tables(problems, document, "values", ENUMS):
        known = [member.value for member in ENUMS[name]]
        for value, text in table.items():
            key = ("values", name, value)
            if value not in known:
                problems.add(key, f"{name} has no value {quoted_name(value)}{nearest_hint(value, known)}")
            elif not is_wire_name(text):
                problems.add(key, f"the spelling of {name}.{value} is not a text of 1 to 200 printable characters")
            else:
                found.setdefault(name, {})[value] = text
    return found


def _operations(problems: MistakeCollector, document: _Table) -> dict[str, OperationMapping]:
    return {
        name: operation_mapping(problems, BY_NAME[name], table)
        for name, table in _tables(problems, document, "operations", BY_NAME)
    }


def _extra(problems: MistakeCollector, document: _Table) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, table in _tables(problems, document, "extra", STRUCTS):
        if name not in REQUESTS:
            problems.add(
                ("extra", name), f"{name} is not sent, so nothing can be added to it{nearest_hint(name, REQUESTS)}"
            )
            continue
        for member, value in table.items():
            key = ("extra", name, member)
            if not is_wire_name(member):
                problems.add(key, f"a name in extra.{name} is not a text of 1 to 200 printable characters")
            elif says := _unsendable(value):
                problems.add(key, f"extra.{name}.{member} holds {says}, which JSON cannot represent")
            else:
                found.setdefault(name, {})[member] = value
    return found


def _unsendable(value: object) -> str:
    """Return a description of the first part of ``value`` that JSON cannot represent, or an empty string."""
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        inner = cast("dict[str, object]", value).values()
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    elif isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    elif isinstance(value, date | time):
        return "a time without quotes"
    return next((says for one in inner if (says := _unsendable(one))), "")
