"""The file that keeps what exists in a sandbox: recognised before it is read, and replaced as a whole or not at all.

Two lines of JSON: a header with the format, its version and the checksum of the second line; and the content. Nothing
in it is executed: a file that comes from elsewhere can be refused, but it cannot do harm.
"""

import os
import tempfile
from hashlib import sha256
from pathlib import Path

import msgspec

FORMAT = "octoffm-sandbox-state"
VERSION = 1


class StateFileError(ValueError):
    """A state file cannot be used, or must not be overwritten; the message names it and says why."""


class _Header(msgspec.Struct, kw_only=True):
    format: str
    version: int
    sha256: str = ""


class StateFile:
    """Reads and writes one file, and never overwrites what it has not itself read or written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._seen = ""

    def read(self) -> bytes | None:
        """The content; ``None`` if there is no file yet."""
        try:
            head, _, content = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}") from error
        header = self._header(head)
        content = content.removesuffix(b"\n")
        if sha256(content).hexdigest() != header.sha256:
            raise self._error("is damaged: its checksum does not fit its content")
        self._seen = header.sha256
        return content

    def write(self, content: bytes) -> None:
        """Replace the file: other programs see the old content or the new, never a part. Only its owner may read it."""
        self._check_unchanged()
        header = _Header(format=FORMAT, version=VERSION, sha256=sha256(content).hexdigest())
        try:
            self._replace(msgspec.json.encode(header) + b"\n" + content + b"\n")
        except OSError as error:
            raise self._error(f"cannot be written: {error.strerror}") from error
        self._seen = header.sha256

    def _check_unchanged(self) -> None:
        try:
            with self.path.open("rb") as file:
                head = file.readline(4096)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}") from error
        if self._header(head).sha256 != self._seen:
            raise self._error("was written by another program since; it was left as it is")

    def _header(self, line: bytes) -> _Header:
        try:
            header = msgspec.json.decode(line, type=_Header)
        except ValueError:
            header = None
        if header is None or header.format != FORMAT or header.version < 1:
            raise self._error("is not a state file of the sandbox")
        if header.version > VERSION:
            raise self._error(f"has version {header.version}; this octoffm_async knows versions up to {VERSION}")
        return header

    def _replace(self, text: bytes) -> None:
        target = self.path.resolve()
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # made with mode 0600
        try:
            with os.fdopen(number, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink()
            raise

    def _error(self, what: str) -> StateFileError:
        return StateFileError(f"state file {self.path} {what}")
