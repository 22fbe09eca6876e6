"""``octoffm jobs prune``: counts, asks, and deletes what is old."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from octoffm_async.cli.app import run
from octoffm_async.journal import OutgoingItem, SQLiteJournal, payload_hash, retention


def write(path: Path, keys: list[str], *, days_ago: int) -> None:
    async def work() -> None:
        async with SQLiteJournal(path, clock=lambda: time.time() - days_ago * 86_400) as journal:
            journal_run = await journal.begin_run(seller="S", operation="o")
            await journal_run.mark_sent([OutgoingItem(key, payload_hash(b"p"), b"p") for key in keys])
            for key in keys:
                journal_run.record_created(key, f"id-{key}")
            await journal_run.finish()

    asyncio.run(work())


def test_old_items_are_counted_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CONTROLS", 1)
    path = tmp_path / "orders.sqlite"
    write(path, ["a", "b"], days_ago=100)
    write(path, ["c"], days_ago=1)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["jobs", "prune", "--journal", str(path), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    assert call("--older-than", "90d", "--dry-run") == (0, f"would prune 2 items from {path}\n", "")
    code, _, err = call("--older-than", "90d")
    assert code == 2
    assert "no terminal to ask: say --yes or --dry-run" in err
    code, _, err = call("--older-than", "20d", "--yes")
    assert code == 2
    assert "from an age of 30 days on" in err
    code, out, _ = call("--older-than", "90d", "--yes", "--json")
    assert (code, json.loads(out)["pruned"]) == (0, 2)
    assert call("--older-than", "90d", "--yes")[:2] == (0, f"pruned 0 items from {path}\n")
