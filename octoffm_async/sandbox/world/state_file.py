"""The state file of a sandbox: its header is checked before its content is read, and it is replaced atomically.

The file has two lines of JSON: a header with the format, its version and the checksum of the second line; and the
content. Nothing in it is executed: a file from an unknown source can be refused, but it can do no harm.
"""

import asyncio
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec

from octoffm_async.disk.private_file import write_file
from octoffm_async.errors import ConfigurationError

from .snapshot import restore_snapshot, take_snapshot
from .world import World

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
        self.path: Path = Path(path)
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
        except ConfigurationError as error:
            raise self._error(f"cannot be written: {error}") from error
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
        write_file(self.path.resolve(), text, durable=True)  # a link that its owner named stays one

    def _error(self, what: str) -> StateFileError:
        return StateFileError(f"state file {self.path} {what}")


class StateStore:
    """Loader and saver of one world. It never writes a file that it could not load."""

    def __init__(self, world: World, generators: Mapping[str, Random], file: StateFile | None) -> None:
        self._world = world
        self._generators = generators
        self._file = file
        self._loaded = False
        self._failure: StateFileError | None = None
        self._lock = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """True once the world is loaded, or once the sandbox has found no file to load."""
        return self._loaded

    async def load(self) -> bool:
        """Load the world at the first start; return True if there was a file to load.

        Raises:
            StateFileError: the file is unusable; every later call raises the same error.
        """
        if self._failure is not None:
            raise self._failure
        content = None
        if self._file is not None:
            content = await asyncio.to_thread(self._file.read)
            if content is not None:
                self._restore(self._file, content)
        self._loaded = True
        return content is not None

    async def save(self) -> None:
        """Save the world if it has a state file and was loaded."""
        if self._file is None or not self._loaded:
            return
        async with self._lock:
            await asyncio.to_thread(self._file.write, take_snapshot(self._world, self._generators))

    async def save_and_report(self) -> dict[str, object]:
        """Save the world and return the path of the file.

        Raises:
            ValueError: the sandbox has no state file.
        """
        if self._file is None:
            raise ValueError("this sandbox has no state file")
        await self.save()
        return {"state_file": str(self._file.path)}

    def _restore(self, file: StateFile, content: bytes) -> None:
        try:
            restore_snapshot(self._world, self._generators, content)
        except (ValueError, LookupError, TypeError) as error:
            self._failure = StateFileError(f"state file {file.path} does not fit this version: {error}")
            raise self._failure from error
