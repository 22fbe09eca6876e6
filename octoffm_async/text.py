"""Text from elsewhere: read in the encoding that it has, and made harmless for the terminal that shows it.

An API, a file or its name may hold escape sequences, which move a terminal's cursor, rewrite its lines or its title,
and signs that are not seen or that turn the direction of writing. All that the command prints passes a
:class:`SafeStream`, which replaces them; JSON holds them as ``\\uXXXX``, so that its values stay exact.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
import traceback
import unicodedata
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_ASCII = re.compile(r"[^\n\x20-\x7e]")
_DOUBTFUL = re.compile(r"[^\n\t\x20-\x7e]")
_STYLES = {"bold": "1m", "red": "31m", "green": "32m", "yellow": "33m", "cyan": "36m"}
_OWN = f"\ufdd0{os.urandom(6).hex()}"
"""Beginning of our own styles, by which a stream tells them from foreign sequences: nothing foreign can know it."""
_OWN_CODE = re.compile(f"{_OWN}([0-9;]+[mHJ])\ufdd1")


class UnwritableOutputError(Exception):
    """An output cannot be written; the message names it and the reason."""


def decode_text(content: bytes) -> str:
    """Decode UTF-8, or UTF-16 and UTF-32 as Windows programs write them; line ends become ``\\n``.

    Raises:
        UnicodeDecodeError: It is none of them.
    """
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and len(content) > 1 and 0 in content[:2]:  # no text that people write begins with NUL
        encoding = "utf-16-le" if content[0] else "utf-16-be"
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def printable(text: str) -> str:
    """Return foreign text as one line without control characters and signs that are not seen."""
    one_line = " ".join(text.split())
    return one_line if one_line.isprintable() else _DOUBTFUL.sub(_safe_letter, one_line)


def safe_text(text: str) -> str:
    """Return text with its lines, tabs and blanks, without other control characters and signs that are not seen."""
    return text if text.isprintable() else _DOUBTFUL.sub(_safe_letter, text)


def safe_json(line: str, *, ascii_only: bool = False) -> str:
    """Return JSON in which all that a terminal may obey is escaped: the same values, printable signs only."""
    if line.isascii() if ascii_only else line.isprintable():
        return line.replace("\x7f", "\\u007f")
    return _NOT_ASCII.sub(lambda found: _escaped(found[0]) if ascii_only else _escaped_if_unsafe(found[0]), line)


def safe_traceback(error: BaseException) -> str:
    """Return a traceback; the messages in it are one line each, for they may hold texts of the API."""
    ours = ("  File ", "Traceback ", "\n")
    parts = traceback.format_exception(error)
    return "".join(part if part.startswith(ours) else f"{printable(part)}\n" for part in parts)


def style(text: str, name: str) -> str:
    """Return text that a :class:`SafeStream` shows in a colour, or bold, on a terminal."""
    return f"{_own(_STYLES[name])}{text}{_own('0m')}"


def clear_screen() -> str:
    """Return text by which a :class:`SafeStream` clears a terminal; it is nothing elsewhere."""
    return f"{_own('2J')}{_own('1;1H')}"


def _own(code: str) -> str:
    return f"{_OWN}{code}\ufdd1" if isinstance(sys.stdout, SafeStream) else f"\x1b[{code}"


class OutputClosedError(UnwritableOutputError):
    """The reader of an output has gone, as one does that has enough."""


class SafeStream:
    """A text stream that lets no control character pass but line ends and tabs.

    It has no ``buffer``: what writes bytes takes that of ``stream``. With ``own`` it passes all text on, for a program
    that has made it safe. A stream that must never break a run (standard error) is ``quiet`` about its faults.
    """

    def __init__(
        self, stream: TextIO, *, name: str = "standard output", own: bool = False, quiet: bool = False
    ) -> None:
        self.stream = stream
        self._name = name
        self._own = own
        self._quiet = quiet

    def write(self, text: str) -> int:
        """Write text.

        Raises:
            UnwritableOutputError: It cannot be written, or its reader has gone.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  (click tries bytes)
            raise TypeError("a text stream takes no bytes")
        self._call("write", text if self._own or text.isprintable() else self._safe(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is waiting."""
        self._call("flush")

    def trusted(self) -> SafeStream:
        """Return the same stream for text that is safe already."""
        return SafeStream(self.stream, name=self._name, own=True, quiet=self._quiet)

    def _call(self, method: str, *arguments: str) -> None:
        try:
            getattr(self.stream, method)(*arguments)
        except OSError as error:
            if self._quiet:
                return
            kind = OutputClosedError if isinstance(error, BrokenPipeError) else UnwritableOutputError
            raise kind(f"cannot write {self._name}: {error.strerror or error}") from None

    def _safe(self, text: str) -> str:
        parts = _OWN_CODE.split(text)  # foreign text, and between it the codes of our own
        parts[::2] = ["\r\n".join(map(safe_text, part.split("\r\n"))) for part in parts[::2]]  # line ends of CSV
        terminal = len(parts) > 1 and self.stream.isatty()
        parts[1::2] = [f"\x1b[{code}" if terminal else "" for code in parts[1::2]]
        return "".join(parts)

    def __getattr__(self, name: str) -> Any:
        if name in {"buffer", "detach", "reconfigure"}:
            raise AttributeError(name)
        return getattr(self.stream, name)


def is_unicode(stream: object) -> bool:
    """Return True if a text stream can hold all characters."""
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "ascii").name.startswith("utf")
    except LookupError:
        return False


def _safe_letter(found: re.Match[str]) -> str:
    letter = found[0]
    if letter.isprintable() or unicodedata.category(letter) == "Zs":  # blanks of other widths
        return letter
    return "\N{REPLACEMENT CHARACTER}"


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _escaped_if_unsafe(letter: str) -> str:
    return letter if letter.isprintable() else _escaped(letter)
