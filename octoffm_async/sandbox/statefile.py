"""The state file of a sandbox: its header is checked before its content is read, and it is replaced atomically.

The file has two lines of JSON: a header with the format, its version and the checksum of the second line; and the
content. Nothing in it is executed: a file from an unknown source can be refused, but it can do no harm.
"""

import os
import tempfile
from hashlib import sha256
from pathlib import Path

import msgspec

FORMAT = "octoffm-sandbox-state"
VERSION = 1


class StateFileError(ValueError):
    """A state file that cannot be used or must not be overwritten; the message names the file and the reason."""


class _Header(msgspec.Struct, kw_only=True):
    format: str
    version: int
    sha256: str = ""


class StateFile:
    """Reader and writer of one file. It never overwrites content that it has not itself read or written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._seen = ""

    def read(self) -> bytes | None:
        """Return the content; ``None`` if there is no file yet."""
        try:
            head, _, content = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}") from error
        header = self._header(head)
        content = content.removesuffix(b"\n")
        if sha256(content).hexdigest() != header.sha256:
            raise self._error("is damaged: its checksum does not match its content")
        self._seen = header.sha256
        return content

    def write(self, content: bytes) -> None:
        """Replace the file atomically: other programs see the old content or the new. Only the owner may read it."""
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
            raise self._error("was written by another program since; the sandbox has not changed it")

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
