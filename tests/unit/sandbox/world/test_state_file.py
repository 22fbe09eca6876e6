"""The file of a sandbox's state: recognised, checked, replaced as a whole, and never another's."""

import json
import stat
import sys
from pathlib import Path

import pytest

from octoffm_async.sandbox import StateFileError
from octoffm_async.sandbox.world.state_file import StateFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


def written(path: Path, content: bytes = b'{"a": 1}') -> bytes:
    StateFile(path).write(content)
    return path.read_bytes()


def test_gives_back_what_was_written(path: Path) -> None:
    written(path, b'{"b": "\\u00e9"}')
    assert StateFile(path).read() == b'{"b": "\\u00e9"}'
    assert json.loads(path.read_bytes().splitlines()[0])["format"] == "octoffm-sandbox-state"


def test_no_file_is_nothing_to_read(path: Path) -> None:
    assert StateFile(path).read() is None


def test_writes_again_what_it_wrote_or_read_itself(path: Path) -> None:
    file = StateFile(path)
    file.write(b"1")
    file.write(b"2")
    other = StateFile(path)
    assert other.read() == b"2"
    other.write(b"3")
    assert StateFile(path).read() == b"3"


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_only_its_owner_may_read_it_and_nothing_else_is_left(path: Path) -> None:
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "foreign", [b"", b"\n", b"hello", b"{}", b'{"format": "other", "version": 1}\n{}\n', b"\xff\x00\x80"]
)
def test_a_foreign_file_is_recognised_and_left_alone(path: Path, foreign: bytes) -> None:
    path.write_bytes(foreign)
    file = StateFile(path)
    for use in (file.read, lambda: file.write(b"mine")):
        with pytest.raises(StateFileError, match="state is not a state file"):
            use()
    assert path.read_bytes() == foreign


def test_a_newer_file_is_recognised_and_left_alone(path: Path) -> None:
    newer = written(path).replace(b'"version":1', b'"version":2')
    path.write_bytes(newer)
    file = StateFile(path)
    for use in (file.read, lambda: file.write(b"mine")):
        with pytest.raises(StateFileError, match="has version 2; this octoffm_async knows versions up to 1"):
            use()
    assert path.read_bytes() == newer


@pytest.mark.parametrize("keep", [-1, -3, -8])
def test_a_truncated_file_is_damaged_unless_only_the_last_newline_is_gone(path: Path, keep: int) -> None:
    whole = written(path)
    path.write_bytes(whole[:keep])
    if keep == -1:
        assert StateFile(path).read() == b'{"a": 1}'
    else:
        with pytest.raises(StateFileError, match="is damaged"):
            StateFile(path).read()


def test_every_changed_byte_is_noticed(path: Path) -> None:
    whole = written(path)
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StateFileError):
            StateFile(path).read()


def test_a_file_that_another_wrote_in_the_meantime_is_left_alone(path: Path) -> None:
    ours, theirs = StateFile(path), StateFile(path)
    assert ours.read() is None
    theirs.write(b"theirs")
    with pytest.raises(StateFileError, match="by another program since"):
        ours.write(b"ours")
    assert StateFile(path).read() == b"theirs"


def test_a_failed_write_leaves_the_old_content_and_no_litter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = StateFile(path)
    file.write(b"old")
    monkeypatch.setattr("octoffm_async.sandbox.world.state_file.os.fsync", fail)
    with pytest.raises(StateFileError, match="cannot be written: No space left on device"):
        file.write(b"new")
    assert list(path.parent.iterdir()) == [path]
    assert StateFile(path).read() == b"old"


def test_a_folder_and_a_missing_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(StateFileError, match="cannot be read"):
        StateFile(tmp_path).read()
    with pytest.raises(StateFileError, match="cannot be written"):
        StateFile(tmp_path / "none" / "state").write(b"1")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_stays_a_link(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    StateFile(link).write(b"1")
    assert link.is_symlink()
    assert StateFile(path).read() == b"1"
