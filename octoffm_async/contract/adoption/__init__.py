"""Generator of a contract file from an OpenAPI document: its names of our operations, fields, values and filters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from ..access import BASE_URL
from ..contract_file.model import ContractFile
from ..openapi.calls import operations_by_key, path_prefix
from ..openapi.description import Description, describe
from ..openapi.export import openapi_document
from ..operations import OPERATIONS
from .collector import FindingsCollector
from .decisions import decide
from .findings import AdoptionFindings, OpenQuestion
from .paths import fold_path, like_paths
from .quoting import quoted
from .writing import contract_text

__all__ = ["Adoption", "NothingToAdoptError", "OpenQuestion", "adopt"]


_FEW = 3
"""Number of dangling references from which a document counts as cut off; fewer may be a forgotten schema."""


class NothingToAdoptError(ValueError):
    """An error for a document that describes another API, or is cut off; the message says so in one line."""


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """A contract file made of an OpenAPI document.

    ``text`` is the file and ``contract`` its parsed form. ``open`` holds the questions that a person has to decide,
    ``synonyms`` the entries found by a synonym (table, our name, reason), ``missing`` the operations that the document
    does not have, ``notes`` remarks that change nothing in the file.
    """

    text: str
    contract: ContractFile
    operations: int
    open: tuple[OpenQuestion, ...]
    synonyms: tuple[tuple[str, str, str], ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True if nothing is left for a person to decide."""
        return not self.open


def adopt(document: object) -> Adoption:
    """Read an OpenAPI document that was loaded from JSON or YAML.

    Raises ``NotOpenAPIError`` and :class:`NothingToAdoptError`.
    """
    ours, theirs = _ours(), describe(document)
    prefix = path_prefix(ours, theirs, fold_path)
    calls = operations_by_key(theirs, prefix, fold_path)
    patterns = {one.name: one.pattern for one in ours.operations}
    findings = AdoptionFindings()
    collector = FindingsCollector(findings)
    missing: list[str] = []
    for operation in OPERATIONS:
        described = calls.get((operation.method, fold_path(patterns[operation.name])))
        if described is not None:
            collector.look_at(operation, described, prefix)
            continue
        missing.append(operation.name)
        like = tuple(like_paths(operation, theirs, prefix))
        says = f"they have no {operation.method} {operation.path}"
        cure = f"path = {quoted(like[0])}" if like else ""
        findings.add_open(f'operations."{operation.name}"', "path", says, candidates=like, cure=cure)
    if len(missing) == len(OPERATIONS):
        raise NothingToAdoptError("it describes another API: it has none of our operations, such as GET /stocks")
    if len(theirs.dangling) >= (_FEW if "components" in cast("Mapping[str, Any]", document) else 1):
        raise NothingToAdoptError(f"it is cut off: {len(theirs.dangling)} of the schemas that it refers to are missing")
    for reference in theirs.dangling:
        findings.add_open("document", "", f"it refers to {reference}, which is not in it")
    _note_server(findings, document, prefix)
    decided = decide(findings)
    text, contract = contract_text(findings, decided)
    return Adoption(
        text=text,
        contract=contract,
        operations=len(OPERATIONS) - len(missing),
        open=tuple(findings.open),
        synonyms=tuple((*place, why) for place, why in decided.why.items() if why.startswith("synonym")),
        missing=tuple(missing),
        notes=(*findings.notes, *theirs.notes),
    )


@cache
def _ours() -> Description:
    return describe(openapi_document())


def _note_server(findings: AdoptionFindings, document: object, prefix: str) -> None:
    """Note a base URL that differs from ours; it is a setting, not part of a contract file."""
    servers = cast("Mapping[str, Any]", document).get("servers")
    first: object = cast("list[object]", servers)[0] if isinstance(servers, list) and servers else None
    url = cast("Mapping[str, object]", first).get("url") if isinstance(first, Mapping) else None
    if not isinstance(url, str):
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    full = parts.path.rstrip("/") + prefix
    ours = urlsplit(BASE_URL)
    if full.casefold() != ours.path.casefold() or parts.netloc.casefold() not in {"", ours.netloc}:
        base = f"{parts.scheme or ours.scheme}://{parts.netloc or ours.netloc}{full}"
        findings.note(f"its base URL is {base}; set OCTOFFM_BASE_URL if that is the one to call instead of {BASE_URL}")
