"""The file of a :class:`.file_store.FileTokenStore`: its content, and how it is read and replaced. Functions block.

The content is JSON: format and version, then accounts by key and calls by client. Readers take no lock: the file is
replaced as a whole. Writers take a lock on a second file beside it.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import TYPE_CHECKING

import msgspec

from ..disk.private_file import FileLock, open_safely, prepare_folder, replace_file
from .entries import TokenEntry, decode_secret, encode_secret
from .store import LONGEST_LIFE, QuotaBucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger: logging.Logger = logging.getLogger("octoffm_async")

FORMAT = "octoffm-tokens"
VERSION = 1
_MOST_BYTES = 4 * 1024 * 1024
_LOCK_SECONDS = 2.0
_LOCK_PAUSE = 0.005


class TokenFileContent(msgspec.Struct, kw_only=True):
    """The content of a file. ``calls`` are counted per client, over all its secrets."""

    format: str = FORMAT
    version: int = VERSION
    accounts: dict[str, TokenEntry] = {}
    calls: dict[str, QuotaBucket] = {}

    def prune(self, now: float) -> None:
        """Remove entries that are more than a day old, or dated more than a day ahead: no client uses them."""

        def current(at: float) -> bool:
            return abs(at - now) <= LONGEST_LIFE

        self.accounts = {
            key: entry
            for key, entry in self.accounts.items()
            if (entry.token is not None and current(entry.token.asked_at))
            or (entry.refusal is not None and current(entry.refusal.at))
        }
        self.calls = {client: used for client, used in self.calls.items() if current(used.at)}


_encoder = msgspec.json.Encoder(enc_hook=encode_secret)
_decoder = msgspec.json.Decoder(TokenFileContent, dec_hook=decode_secret)


class TokenFile:
    """One token file. It may be used from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._ignored: object = None

    def read(self) -> TokenFileContent:
        """Return the content of the file; empty content if there is no file, or none that can be used.

        Raises:
            ConfigurationError: The file is not safe to use.
            OSError: The file cannot be read.
        """
        prepare_folder(self.path.parent)
        return self._read()[0]

    def change(self, change: Callable[[TokenFileContent], None], *, now: float) -> None:
        """Read the file, change its content and replace it, while no other process does the same.

        Raises:
            ConfigurationError: The file is not safe to use.
            OSError: The file cannot be written: the disk is full, or the file or its folder is read-only.
        """
        prepare_folder(self.path.parent)
        lock = self._lock()
        try:
            sheet, foreign = self._read()
            change(sheet)
            sheet.prune(now)
            if foreign:
                self.path.replace(self.path.with_name(self.path.name + ".ignored"))
            self._replace(_encoder.encode(sheet) + b"\n")
        finally:
            lock.release()

    def renewal_lock(self, key: str) -> FileLock | None:
        """Return the lock on one account's renewal, or None if another process holds it."""
        prepare_folder(self.path.parent)
        return FileLock.take(self.path.with_name(f"{self.path.name}.{key[:16]}.lock"))

    def _lock(self) -> FileLock:
        end = time.monotonic() + _LOCK_SECONDS
        while (lock := FileLock.take(self._lock_path)) is None:
            if time.monotonic() > end:
                raise OSError(errno.EBUSY, "another process is writing it all the time")
            time.sleep(_LOCK_PAUSE)
        return lock

    def _read(self) -> tuple[TokenFileContent, bool]:
        """Return the content, and True if there is a file that is not a usable token file."""
        try:
            descriptor = open_safely(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return TokenFileContent(), False
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
            seen = os.fstat(descriptor).st_mtime_ns
        try:
            sheet = _decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._ignore(seen, "is damaged, or no token file"), True
        if sheet.format != FORMAT:
            return self._ignore(seen, "is no token file"), True
        if sheet.version != VERSION:
            return self._ignore(seen, f"has version {sheet.version}, not {VERSION}"), True
        return sheet, False

    def _ignore(self, seen: object, why: str) -> TokenFileContent:
        if self._ignored != seen:
            self._ignored = seen
            logger.warning("the token file %s %s: it is ignored, and replaced at the next renewal", self.path, why)
        return TokenFileContent()

    def _replace(self, content: bytes) -> None:
        # The writer holds the lock, so one name is enough; a file that a killed process left there is overwritten.
        # The file is not synchronised to the disk: losing it in a power failure costs one token call.
        fresh = self.path.with_name(self.path.name + ".new")
        descriptor = open_safely(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            replace_file(fresh, self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
