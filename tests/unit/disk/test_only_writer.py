"""One module writes files: whatever could make, change or replace one elsewhere is named here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import octoffm_async

PACKAGE = Path(octoffm_async.__file__).parent
WRITING = frozenset(
    [
        "write_text",
        "write_bytes",
        "touch",
        "mkstemp",
        "mkdtemp",
        "NamedTemporaryFile",
        "TemporaryFile",
        "SpooledTemporaryFile",
        "TemporaryDirectory",
        "symlink_to",
        "hardlink_to",
        "link",
        "symlink",
        "rename",
        "mkdir",
        "makedirs",
        "mkfifo",
        "copyfile",
        "copy2",
        "copytree",
        "move",
        "write_parquet",
        "sink_parquet",
        "write_csv",
        "sink_csv",
        "write_excel",
        "write_ndjson",
        "sink_ndjson",
        "FileHandler",
        "RotatingFileHandler",
    ]
)
ALLOWED = {
    ("journal/sqlite/file/backup.py", "open"): "synchronises the backup that it has made",
    ("journal/sqlite/file/backup.py", "link"): "gives the backup its name, if that is free",
    ("journal/sqlite/file/backup.py", "rename"): "the same on file systems without links",
    ("journal/sqlite/schema.py", "connect"): "the journal itself",
    ("probe/folder.py", "mkdir"): "the folder of a probe, 0700",
    ("stores/file.py", "connect"): "a file that was prepared: it is for its owner alone",
    ("cli/documents.py", "mkdir"): "a folder of public pages",
    ("cli/app.py", "os.open"): "/dev/null, in place of a closed standard stream",
    ("cli/rows/xlsx.py", "open"): "a member of the package, in a file that is open",
    ("cli/rows/formats.py", "TemporaryDirectory"): "parts of a Parquet file, in a folder of 0700",
    ("cli/rows/formats.py", "write_parquet"): "into that folder",
    ("cli/rows/formats.py", "sink_parquet"): "into that folder",
}


def writes_in(tree: ast.AST) -> Iterator[str]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        last = name.rpartition(".")[2]
        if name == "os.open":
            if any(flag in ast.unparse(call) for flag in ("WRONLY", "RDWR", "CREAT", "APPEND", "TRUNC")):
                yield name
        elif last == "open" and not name.startswith(("Journal", "journal", "self")):
            modes = [part.value for part in (*call.args[:2], *(one.value for one in call.keywords)) if is_text(part)]
            if any(set(mode) <= set("rwxabt+") and set(mode) & set("wax+") for mode in modes):
                yield "open"
        elif name == "sqlite3.connect":
            yield "connect"
        elif last in WRITING:
            yield last


def is_text(part: ast.AST) -> bool:
    return isinstance(part, ast.Constant) and isinstance(part.value, str)


def found_in(folder: Path) -> set[tuple[str, str]]:
    return {
        (path.relative_to(folder).as_posix(), write)
        for path in folder.rglob("*.py")
        if path.relative_to(folder).parts[0] != "disk"
        for write in writes_in(ast.parse(path.read_text(encoding="utf-8")))
    }


def test_nothing_is_written_but_by_the_module_for_private_files() -> None:
    assert found_in(PACKAGE) == ALLOWED.keys()


@pytest.mark.parametrize(
    "line",
    [
        "open('x', 'w')",
        "path.open('ab')",
        "path.open(mode='r+')",
        "open(path, mode='x')",
        "os.open(path, os.O_CREAT)",
        "os.open(path, os.O_WRONLY | flags)",
        "path.write_text('x')",
        "tempfile.NamedTemporaryFile()",
        "sqlite3.connect(path)",
        "frame.write_parquet(path)",
        "logging.FileHandler(path)",
    ],
)
def test_each_way_of_writing_is_seen(line: str) -> None:
    assert list(writes_in(ast.parse(line)))


@pytest.mark.parametrize("line", ["path.open()", "path.open('rb')", "os.open(path, os.O_RDONLY)", "Journal.open(path)"])
def test_reading_is_not_writing(line: str) -> None:
    assert not list(writes_in(ast.parse(line)))
