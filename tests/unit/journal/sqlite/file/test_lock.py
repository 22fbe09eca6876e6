"""The writer's lock: held once, named after its holder, gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from octoffm_async.errors import JournalInUseError, JournalWriteError
from octoffm_async.journal.sqlite.file.lock import WriterLock

HOLD = """
import sys, time
from pathlib import Path
from octoffm_async.journal.sqlite.file.lock import WriterLock
WriterLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_lock_in_this_process_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    first, second = WriterLock(tmp_path / "j"), WriterLock(tmp_path / "j")
    first.acquire()
    for _ in range(2):
        with pytest.raises(JournalInUseError, match=r"j is already open for writing in this process") as caught:
            second.acquire()
        assert caught.value.pid == os.getpid()
    first.release()
    second.acquire()
    second.release()
    second.release()


def test_the_side_file_is_the_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        lock = WriterLock(tmp_path / "j")
        lock.acquire()
    finally:
        os.umask(before)
    assert lock.path.stat().st_mode & 0o777 == 0o600
    assert lock.path.read_text() == f"{os.getpid()}\n"
    lock.release()
    assert lock.path.read_text() == ""


def test_another_process_is_named_and_its_sudden_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            with pytest.raises(JournalInUseError, match=f"is being written by process {child.pid}") as caught:
                WriterLock(path).acquire()
            assert caught.value.pid == child.pid
        finally:
            child.send_signal(signal.SIGKILL)
    lock = WriterLock(path)
    lock.acquire()
    assert lock.path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_side_file_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "j.lock").mkdir()
    with pytest.raises(JournalWriteError, match=r"cannot be locked .*must be a plain file"):
        WriterLock(tmp_path / "j").acquire()
