"""Contract files of the dialects: what their OpenAPI files give, and the little that no program could know."""

from __future__ import annotations

from pathlib import Path

from tests.support.dialects import Dialect, openapi
from tests.support.inside import adopt

UNKNOWABLE = {"C": {'warehouseCode = ""': 'warehouseCode = "FR01"'}}
"""Lines that a file asks a person for, and what that person writes."""


def decided(text: str, dialect: Dialect) -> str:
    """A file as it was adopted, with what only a person can know; everything else stays untouched."""
    for cure, line in UNKNOWABLE.get(dialect.name, {}).items():
        before, asked, after = text.partition(f"\n# {cure}\n")
        assert asked, text
        text = f"{before}\n{line}\n{after}"
    return text


def contract_of(dialect: Dialect, folder: Path) -> Path:
    """The contract file of a dialect."""
    file = folder / "contract.toml"
    file.write_text(decided(adopt(openapi(dialect)).text, dialect), encoding="utf-8")
    return file
