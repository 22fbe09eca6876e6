"""The locks of a journal: for moments, and of each writer; gone with the process that holds them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octoffm_async.errors import JournalInUseError, JournalWriteError
from octoffm_async.journal.sqlite.file.lock import JournalLock, WriterFile, holder_of, side_files, sign_of

HOLD = """
import sys, time
from pathlib import Path
from octoffm_async.journal.sqlite.file.lock import JournalLock, WriterFile
JournalLock(Path(sys.argv[1])).acquire()
writer = WriterFile(Path(sys.argv[1]), 7, 12.5)
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_lock_in_this_process_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    first, second = JournalLock(tmp_path / "j"), JournalLock(tmp_path / "j")
    first.acquire()
    for _ in range(2):
        with pytest.raises(JournalInUseError, match=f"kept locked by process {os.getpid()}") as caught:
            second.acquire(0)
        assert caught.value.pid == os.getpid()
        assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()
    second.release()


def test_the_side_file_is_the_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        lock, writer = JournalLock(tmp_path / "j"), WriterFile(tmp_path / "j", 1, 0.0)
        lock.acquire()
    finally:
        os.umask(before)
    for path in (lock.path, writer.path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert lock.path.read_text() == f"{os.getpid()}\n"
    lock.release()
    assert lock.path.read_text() == ""


def test_another_process_is_named_and_its_sudden_death_frees_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "j"
    began = time.time()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            with pytest.raises(JournalInUseError, match=f"by process {child.pid}, which is of an older") as caught:
                JournalLock(path).acquire(0)
            assert caught.value.pid == child.pid
            (side_file,) = side_files(path).values()
            sign = sign_of(side_file)
            assert sign is not None
            assert (sign.beat, sign.pid) == (12.5, child.pid)
            holder = holder_of(path)
            assert holder is not None
            assert holder.pid == child.pid
            assert holder.since.timestamp() >= began
        finally:
            child.send_signal(signal.SIGKILL)
    assert holder_of(path) is None
    assert sign_of(side_file) is None
    assert sign_of(side_file, remove=True) is None
    assert not side_file.exists()
    lock = JournalLock(path)
    lock.acquire()
    lock.release()


def test_a_side_file_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "j.lock").mkdir()
    with pytest.raises(JournalWriteError, match=r"cannot be locked .*must be a plain file"):
        JournalLock(tmp_path / "j").acquire()
    (tmp_path / "j.writer-1").mkdir()
    with pytest.raises(JournalWriteError, match=r"cannot be written: .*must be a plain file"):
        WriterFile(tmp_path / "j", 1, 0.0)


def test_a_folder_where_two_locks_do_not_exclude_each_other_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with pytest.raises(JournalWriteError, match="cannot lock files, so two processes could send the same order: put"):
        JournalLock(tmp_path / "j").acquire()


def test_a_writers_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    writer = WriterFile(tmp_path / "j", 1, 0.0)
    assert writer.is_in_place
    writer.path.unlink()
    assert not writer.is_in_place
    writer.path.touch()
    assert not writer.is_in_place
    writer.remove()
    assert not writer.is_in_place
