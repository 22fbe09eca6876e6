"""The file that keeps how answers differed: merged, bounded, its owner's alone, and never one of somebody else."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from octoffm_async import ContractDrift
from octoffm_async.cli.contract import drift_file
from octoffm_async.cli.contract.drift_file import (
    DriftEntry,
    DriftFileError,
    drift_path_of_journal,
    merged,
    read_drift,
    record_drift,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seen(
    path: str = "gtin", at: datetime = NOON, *, found: str = "string", operation: str = "stocks.list"
) -> DriftEntry:
    return DriftEntry.of(ContractDrift(operation=operation, path=path, kind="type", found=found), at)


def test_what_was_kept_is_read_and_the_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "d.json"
    record_drift(path, [seen("a"), seen("b", found="integer")])
    assert read_drift(path) == [seen("a"), seen("b", found="integer")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["d.json"]


def test_a_difference_is_kept_once_with_its_first_and_last_time(tmp_path):
    path = tmp_path / "d.json"
    record_drift(path, [seen("a")])
    record_drift(path, [seen("a", NOON + timedelta(days=1)), seen("b", NOON - timedelta(days=1))])
    record_drift(path, [seen("a", NOON - timedelta(hours=1)), seen("a", operation="stocks.get")])
    a, b, other = read_drift(path)
    assert (a.first_seen, a.last_seen) == (NOON - timedelta(hours=1), NOON + timedelta(days=1))
    assert (b.path, other.operation) == ("b", "stocks.get")
    assert merged([b], [b], [a]) == [b, a]


def test_a_file_does_not_grow_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(drift_file, "MAX_ENTRIES", 3)
    path = tmp_path / "d.json"
    record_drift(path, [seen("a"), seen("b")])
    record_drift(path, [seen("c"), seen("d")])
    assert [one.path for one in read_drift(path)] == ["a", "b", "c"]


FOREIGN = [
    b"",
    b"{}",
    b"[]",
    b"not JSON",
    b"\xff\xfe",
    b"[" * 100_000,
    json.dumps({"format": "octoffm-tokens", "version": 1, "drift": []}).encode(),
    json.dumps({"format": "octoffm-drift", "version": 2, "drift": []}).encode(),
    json.dumps({"format": "octoffm-drift", "version": 1, "drift": [{"path": "x"}]}).encode(),
    b'{"format":"octoffm-drift","version":1,"drift":[]}' + b" " * 5_000_000,
]


@pytest.mark.parametrize("content", FOREIGN, ids=range(len(FOREIGN)))
def test_a_file_of_another_kind_is_reported_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "d.json"
    path.write_bytes(content)
    with pytest.raises(DriftFileError, match=r"d\.json"):
        record_drift(path, [seen()])
    with pytest.raises(DriftFileError, match=r"d\.json"):
        read_drift(path)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["d.json"]


def test_what_is_no_plain_file_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DriftFileError, match="is not a file"):
            record_drift(path, [seen()])


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(DriftFileError, match="cannot write"):
        record_drift(tmp_path / "no" / "d.json", [seen()])


def test_a_write_that_fails_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "d.json"
    record_drift(path, [seen("a")])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DriftFileError, match="No space left"):
        record_drift(path, [seen("b")])
    monkeypatch.undo()
    assert [one.path for one in read_drift(path)] == ["a"]
    assert [one.name for one in tmp_path.iterdir()] == ["d.json"]


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "d.json"

    def write(name: str) -> None:
        for number in range(10):
            record_drift(path, [seen(f"{name}{number}")])

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert {one.path for one in read_drift(path)} == {f"{name}{number}" for name in "abcd" for number in range(10)}


def test_the_file_of_a_journal_stands_beside_it(tmp_path):
    assert drift_path_of_journal(tmp_path / "orders.sqlite") == tmp_path / "orders.sqlite.drift.json"
