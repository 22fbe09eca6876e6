import os
import stat
import threading
from pathlib import Path

import pytest

from octoffm_async.disk.piped_input import STDIN, has_no_place, readable_file
from octoffm_async.errors import ConfigurationError

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")


@pytest.mark.parametrize(
    ("name", "content", "ending"),
    [
        ("orders.csv", b"a,b\n1,2\n", ".csv"),
        ("orders.jsonl", b"x", ".jsonl"),
        ("orders", b'\xef\xbb\xbf {"reference": "A"}\n', ".jsonl"),
        ("orders", b"PK\x03\x04...", ".xlsx"),
        ("orders.bin", b"PAR1...", ".parquet"),
        ("orders", b"\xd0\xcf\x11\xe0", ".xls"),
        ("orders", b"", ".csv"),
        ("orders", b"x" * 3_000_000, ".csv"),
    ],
)
def test_a_pipe_is_copied_for_its_owner_alone(tmp_path: Path, name: str, content: bytes, ending: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    with readable_file(pipe) as copy:
        assert [copy.read_bytes() for _ in range(2)] == [content, content]
        assert (copy.suffix, stat.S_IMODE(copy.stat().st_mode)) == (ending, 0o600)
        assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    writer.join()
    assert not copy.parent.exists()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("named", ["/dev/stdin", "-", "/dev/fd/0", "/proc/self/fd/0"])
def test_standard_input_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    end, other = os.pipe()
    os.write(other, b"a\n1\n")
    os.close(other)
    before = os.dup(0)
    os.dup2(end, 0)
    try:
        with readable_file(Path(named)) as copy:
            assert copy.read_bytes() == b"a\n1\n"
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(end)
    assert has_no_place(Path(named))


def test_a_file_is_read_where_it_is(tmp_path: Path) -> None:
    for path in (tmp_path / "x", tmp_path / "none"):
        if path.name == "x":
            path.write_bytes(b"1")
        with readable_file(path) as readable:
            assert readable == path
        assert not has_no_place(path)
    assert has_no_place(STDIN)


@pytest.mark.parametrize("named", ["/dev/full", "/dev/zero", "/dev/null", "/dev"])
def test_a_device_is_no_input(named: str) -> None:
    with pytest.raises(ConfigurationError, match="no file and no pipe"), readable_file(Path(named)):
        pass
