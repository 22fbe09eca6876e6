"""One way to open a journal, by its address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from octoffm_async import ConfigurationError, Journal
from octoffm_async.journal import SQLiteJournal

pytestmark = pytest.mark.one_loop


def test_a_path_is_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "orders.sqlite", str(tmp_path / "orders.sqlite")):
        journal = Journal.open(path)
        assert isinstance(journal, SQLiteJournal)
        assert journal.path == tmp_path / "orders.sqlite"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_is_named_by_its_address(scheme: str) -> None:
    from octoffm_async.journal.postgres.journal import PostgresJournal

    journal = Journal.open(f"{scheme}://me:hunter2@127.0.0.1:1/name")
    assert isinstance(journal, PostgresJournal)
    assert journal.database.name == f"{scheme}://me@127.0.0.1:1/name"


def test_anything_else_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="not mysql://") as caught:
        Journal.open("mysql://me:hunter2@host/name")
    assert "hunter2" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "octoffm_async.journal.postgres.journal", None)  # as if it could not be imported
    with pytest.raises(ConfigurationError, match=r"pip install 'octoffm-async\[cluster\]'"):
        Journal.open("postgresql://host/name")


def test_the_package_alone_loads_no_database() -> None:
    code = "import octoffm_async, sys; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_journal_is_opened_and_not_made() -> None:
    with pytest.raises(TypeError, match=r"Journal\.open"):
        Journal("orders.journal")  # type: ignore[misc]
