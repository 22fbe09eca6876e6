"""Each way to write a file, with each thing that may stand in its way."""

import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from octoffm_async.disk.private_file import (
    check_output,
    create_file,
    is_stream,
    open_safely,
    replacing_file,
    write_file,
    write_new_file,
)
from octoffm_async.errors import ConfigurationError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX here")

Write = Callable[[Path, bytes], None]


def create(path: Path, content: bytes) -> None:
    with create_file(path) as file:
        assert mode(path) == 0o600  # from the first byte on
        file.write(content)


def replace(path: Path, content: bytes) -> None:
    with replacing_file(path) as file:
        assert {mode(one) for one in path.parent.glob(f".{path.name}.*")} == {0o600}
        file.write(content)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


WAYS = [create, replace, write_file, lambda path, content: write_file(path, content, durable=True)]
every_way = pytest.mark.parametrize("write", WAYS, ids=["create", "replace", "write", "durable"])


@pytest.fixture(autouse=True)
def open_handed():
    before = os.umask(0)
    yield
    os.umask(before)


@every_way
def test_a_new_file_is_for_its_owner_alone(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "x", b"secret")
    assert mode(tmp_path / "x") == 0o600
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("x", b"secret")]


@every_way
@pytest.mark.parametrize("before", [0o644, 0o666, 0o777, 0o600, 0o400])
def test_an_older_file_is_replaced_and_tightened(tmp_path: Path, write: Write, before: int) -> None:
    path, other_name = tmp_path / "x", tmp_path / "y"
    path.write_bytes(b"older")
    path.chmod(before)
    other_name.hardlink_to(path)
    write(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert (other_name.read_bytes(), mode(other_name)) == (b"older", before)  # another name's file is not ours


@every_way
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_not_followed(tmp_path: Path, write: Write, there: bool) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    if there:
        victim.write_bytes(b"mine")
    link.symlink_to(victim)
    with pytest.raises(ConfigurationError, match="symbolic link"):
        write(link, b"new")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        check_output(link)
    assert victim.exists() == there
    assert not there or victim.read_bytes() == b"mine"
    assert link.is_symlink()


@every_way
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_not_taken_over(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"theirs")
    os.chown(path, 12345, 12345)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        write(path, b"new")
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        check_output(path)
    assert path.read_bytes() == b"theirs"


@every_way
def test_a_folder_is_no_file(tmp_path: Path, write: Write) -> None:
    with pytest.raises(IsADirectoryError):
        write(tmp_path, b"new")
    with pytest.raises(IsADirectoryError):
        check_output(tmp_path)


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"older")

    def half() -> None:
        with replacing_file(path) as file:
            file.write(b"half")
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        half()
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("x", b"older")]


def test_a_link_that_appears_meanwhile_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "x", tmp_path / "victim"
    victim.write_bytes(b"mine")

    def meet_a_link() -> None:
        with replacing_file(path) as file:
            file.write(b"new")
            path.symlink_to(victim)

    with pytest.raises(ConfigurationError, match="symbolic link"):
        meet_a_link()
    assert victim.read_bytes() == b"mine"
    assert {one.name for one in tmp_path.iterdir()} == {"x", "victim"}


def test_what_is_not_private_keeps_the_mode_that_it_has(tmp_path: Path) -> None:
    new, older = tmp_path / "new", tmp_path / "older"
    older.write_bytes(b"1")
    older.chmod(0o640)
    for path in (new, older):
        write_file(path, b"2", private=False)
    assert (mode(new), mode(older)) == (0o666, 0o640)


def test_a_new_file_needs_a_free_name(tmp_path: Path) -> None:
    path, link = tmp_path / "x", tmp_path / "link"
    link.symlink_to(path)
    write_new_file(path, b"1")
    assert (path.read_bytes(), mode(path)) == (b"1", 0o600)
    for taken in (path, link):
        with pytest.raises(FileExistsError):
            write_new_file(taken, b"2")
    assert path.read_bytes() == b"1"


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    check_output(tmp_path / "x")
    (tmp_path / "older").write_bytes(b"1")
    check_output(tmp_path / "older")
    assert [one.name for one in tmp_path.iterdir()] == ["older"]
    for bad in (tmp_path / "none" / "x", Path("/dev/full"), Path("/proc/x")):
        with pytest.raises(OSError, match=r"space|No such|denied|permitted"):
            check_output(bad)


def test_devices_pipes_and_descriptors_are_written_as_they_are(tmp_path: Path) -> None:
    write_file(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_output(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"through")
    reader.join()
    assert got == [b"through"]
    end, other = os.pipe()
    check_output(Path(f"/dev/fd/{other}"))
    write_file(Path(f"/dev/fd/{other}"), b"more")
    os.close(other)
    assert os.read(end, 10) == b"more"
    os.close(end)
    assert all(map(is_stream, map(Path, ("/dev/null", str(pipe), "/dev/stdout"))))
    assert not is_stream(tmp_path)


def test_a_descriptor_of_a_file_goes_on_where_it_is(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.write(b"one ")
        file.flush()
        write_file(Path(f"/dev/fd/{file.fileno()}"), b"two")
    assert (tmp_path / "x").read_bytes() == b"one two"


def test_a_message_names_the_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="read or write the rejects file"):
        open_safely(path, os.O_WRONLY, what="rejects file")
