"""The notebook runs from its first cell to its last, as Jupyter runs it."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

NOTEBOOK = Path(__file__).parents[3] / "examples" / "stock_picture.ipynb"


def test_each_cell_of_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "SELLER_ID"):
        monkeypatch.delenv(f"OCTOFFM_{name}", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # so that it is the same wherever tests run
    notebook = msgspec.json.decode(NOTEBOOK.read_bytes())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all((cell["outputs"], cell["execution_count"]) == ([], None) for cell in cells)
    names: dict[str, Any] = {}

    async def run_all() -> None:
        for cell in cells:
            code = compile("".join(cell["source"]), cell["id"], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)  # noqa: S307  (the notebook's own code)
            if inspect.isawaitable(result):
                await result

    asyncio.run(run_all())
    table, cover = names["table"], names["cover"]
    assert table.height == cover.height == 40
    assert table["available"].null_count() == table["seller_product_reference"].null_count() == 0
    assert 0 < cover["sold"].sum() < table["available"].sum()
    assert cover["days"].drop_nulls().is_sorted()
