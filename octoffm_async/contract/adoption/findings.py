"""Findings of an adoption: for each name of ours their spellings, and the open questions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ..contract_file.model import FieldMapping, OperationMapping
from ..openapi.schema_reader import SchemaNode
from .matching import FieldMatch, StructMatch
from .targets import CandidateValue

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """A question that a person has to decide; ``cure`` is a line of the file that answers it, empty if none can."""

    section: str
    """The table of the file, such as ``fields.Stock``."""
    name: str
    problem: str
    candidates: tuple[str, ...] = ()
    cure: str = ""

    @property
    def sentence(self) -> str:
        """The question in one line, with its candidates."""
        known = f"; candidates: {', '.join(self.candidates)}" if self.candidates else ""
        place = ".".join(part for part in (self.section.partition(".")[2] or self.section, self.name) if part)
        return printable(f"{place}: {self.problem}{known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpelling:
    """A spelling of a field, and the operation that shows it."""

    mapping: FieldMapping
    why: str
    operation: str


@dataclass(slots=True, kw_only=True)
class FieldObservations:
    """All observations of one field."""

    spellings: list[FieldSpelling] = field(default_factory=list[FieldSpelling])
    undecided: list[tuple[str, list[CandidateValue]]] = field(default_factory=list[tuple[str, list[CandidateValue]]])
    """Operations and their candidates."""


class AdoptionFindings:
    """Collector of the findings of all operations. Names keep the order in which they were first seen."""

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, FieldObservations]] = {}
        self.values: dict[str, dict[str, dict[str, str]]] = {}
        """By enum and value: each spelling, and the reason for it."""
        self.operations: dict[str, OperationMapping] = {}
        self.why: dict[tuple[str, str], str] = {}
        """By table and name: the reason for a line of an operation."""
        self.remarks: dict[str, list[str]] = {}
        """Remarks for the reader of the file, by table."""
        self.extra: dict[str, dict[str, SchemaNode]] = {}
        self.open: dict[OpenQuestion, None] = {}
        self.notes: dict[str, None] = {}

    def observations_of(self, struct: str, name: str) -> FieldObservations:
        """Return the observations of a field so far."""
        return self.fields.setdefault(struct, {}).setdefault(name, FieldObservations())

    def add_open(
        self,
        section: str,
        name: str,
        problem: str,
        *,
        candidates: list[CandidateValue] | tuple[str, ...] = (),
        cure: str = "",
    ) -> None:
        """Add an open question, once."""
        shown = tuple(one if isinstance(one, str) else ".".join(one.path) for one in candidates)
        one = OpenQuestion(
            section=section, name=name, problem=problem, candidates=tuple(map(printable, shown)), cure=cure
        )
        self.open[one] = None

    def remark(self, section: str, text: str) -> None:
        """Add a comment on a table of the file, once."""
        remarks = self.remarks.setdefault(section, [])
        if text not in remarks:
            remarks.append(printable(text))

    def note(self, text: str) -> None:
        """Add a note that changes nothing in the file, once."""
        self.notes[printable(text)] = None


def matches_in(match: StructMatch) -> Iterator[StructMatch]:
    """Yield a match and the matches of the structs that are spread into it."""
    yield match
    for inner in match.spread.values():
        yield from matches_in(inner)


def inner_of(found: FieldMatch) -> tuple[Any, SchemaNode] | None:
    """Return the struct of a field's object or rows, and the node of their object; None for plain values."""
    node = found.offer.node
    if found.target.inner is None:
        return None
    if "array" in node.types:
        return None if found.target.kind == "object" else (found.target.inner, node.items())
    return (found.target.inner, node) if "object" in node.types else None


def printable(text: str) -> str:
    """Return text from an untrusted source as one printable line of bounded length."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return line if len(line) <= _LONGEST * 3 else line[: _LONGEST * 3] + "…"


Direction = Literal["sent", "read"]
