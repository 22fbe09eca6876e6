"""Input that can be read only once, from a pipe: it is copied, so that it can be looked through before it is used."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import ConfigurationError
from .private_file import create_file, descriptor_of

if TYPE_CHECKING:
    from collections.abc import Generator

STDIN = Path("-")
_BEGINNINGS = ((b"PK\x03\x04", ".xlsx"), (b"PAR1", ".parquet"), (b"\xd0\xcf\x11\xe0", ".xls"), (b"{", ".jsonl"))
_KNOWN = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".xls", ".ods"}


def has_no_place(path: Path) -> bool:
    """Return True if nothing can be kept beside an input: it is standard input or another descriptor."""
    return path == STDIN or descriptor_of(path) is not None


@contextmanager
def readable_file(path: Path) -> Generator[Path]:
    """Give a file that can be read many times: the one that is named or, of a pipe, a copy for its owner alone.

    ``-`` is standard input. The copy is removed at the end.

    Raises:
        ConfigurationError: The path is a device, or the pipe cannot be read.
    """
    descriptor = 0 if path == STDIN else descriptor_of(path)
    try:
        mode = path.stat().st_mode if descriptor is None else os.fstat(descriptor).st_mode
    except OSError:
        yield path  # whoever reads it says what is wrong with it
        return
    if stat.S_ISREG(mode) and descriptor is None:
        yield path
        return
    if stat.S_ISDIR(mode) or (stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not _is_terminal(path, descriptor))):
        raise ConfigurationError(f"{path} is no file and no pipe")
    with tempfile.TemporaryDirectory(prefix="octoffm-") as folder:
        copy = Path(folder) / "input"
        try:
            with _source(path, descriptor) as source, create_file(copy) as file:
                beginning = source.read(1024)
                file.write(beginning)
                shutil.copyfileobj(source, file)
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
        ending = path.suffix.casefold()
        named = copy.with_name(f"input{ending if ending in _KNOWN else _ending_of(beginning)}")
        yield copy.rename(named)


def _source(path: Path, descriptor: int | None) -> BinaryIO:
    return path.open("rb") if descriptor is None else os.fdopen(os.dup(descriptor), "rb")


def _is_terminal(path: Path, descriptor: int | None) -> bool:
    return os.isatty(descriptor) if descriptor is not None else path == Path("/dev/tty")


def _ending_of(beginning: bytes) -> str:
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((ending for sign, ending in _BEGINNINGS if text.startswith(sign)), ".csv")
