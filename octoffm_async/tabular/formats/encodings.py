"""Detection of a text file's encoding: by its byte order mark, as UTF-8, or as Western spreadsheets write it."""

from __future__ import annotations

import codecs
import re
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from ...errors import ConfigurationError
from ..cells.signs import unlikely_in_western

if TYPE_CHECKING:
    from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20
_ESCAPED = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")
_UNUSED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
GUESSED = "Windows-1252 (guessed, since the file is not UTF-8; say another with --encoding)"
_PAGES = {
    country: page
    for page, countries in {
        "cp1250": "AL BA CZ HR HU ME PL RO RS SI SK",
        "cp1251": "BG BY KZ MK RU UA",
        "cp1253": "CY GR",
        "cp1254": "TR",
        "cp1257": "EE LT LV",
    }.items()
    for country in countries.split()
}
"""The encodings that spreadsheets write in countries whose languages Windows-1252 does not have."""
SAVE_AS = "save it as UTF-8, or name its encoding with --encoding"


def open_bytes(path: Path) -> BinaryIO:
    """Open the file for its bytes.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None


def described(encoding: str, *, given: bool) -> str:
    """Return an encoding in words, with the reason for it."""
    if given:
        return f"{encoding} (given)"
    if encoding == "cp1252":
        return GUESSED
    return f"{encoding.removesuffix('-sig').upper()} (detected)"


def doubt_of_country(text: str, country: str) -> str:
    """Return the reason why a text, guessed to be Windows-1252, may be another one in this country; empty if none."""
    page = _PAGES.get(country)
    if text.isascii() or page is None:
        return ""
    meant = text.encode("cp1252", "replace").decode(page, "replace")
    if all(sign == other or not other.isalpha() for sign, other in zip(text, meant, strict=True)):
        return ""
    return f"may be {meant!r} in {country}: the file is not UTF-8; say --encoding {page}, or cp1252 if it is right"


def encoding_of(path: Path, given: str | None = None) -> str:
    """Return the encoding of a text file, after reading all of it in chunks.

    Without a byte order mark it is UTF-8; a file with bytes that are not UTF-8, and with no other letters beyond ASCII,
    is Windows-1252, unless signs stand where only letters of another encoding can be.

    Raises:
        ConfigurationError: The file cannot be read, is not text or mixes encodings, or ``given`` is not an encoding.
    """
    if given is not None:
        return _known(given)
    with open_bytes(path) as file:
        start = file.read(4)
        for mark, name in _MARKS:
            if start.startswith(mark):
                return name
        if b"\0\0" in {start[::2], start[1::2]}:
            raise ConfigurationError(f"{path} is UTF-16 without a mark, or not text: name the encoding with --encoding")
        file.seek(0)
        return _unmarked(path, file)


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise ConfigurationError(f"no encoding is called {name!r}; try utf-8, cp1252 or utf-16") from None
    return "utf-8-sig" if found == "utf-8" else found


def _is_utf8(file: BinaryIO) -> bool:
    """Return True if a file is UTF-8 to its end, where a letter may be cut off."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _unmarked(path: Path, file: BinaryIO) -> str:
    if _is_utf8(file):
        return "utf-8-sig"
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    proper = lines = 0
    bad_line: int | None = None
    bad, unused = 0, False
    while chunk := file.read(_CHUNK):
        text = decoder.decode(chunk)
        if not text.isascii():
            proper += len(_NOT_ASCII.findall(text))
            if first := _ESCAPED.search(text):
                bad += len(_ESCAPED.findall(text))
                unused = unused or bool(_UNUSED_IN_CP1252.search(chunk))
                bad_line = bad_line or lines + text.count("\n", 0, first.start()) + 1
        lines += text.count("\n")
    if proper > bad:
        raise ConfigurationError(f"{path}, line {bad_line} is not UTF-8, though the rest of the file is: {SAVE_AS}")
    if unused:
        raise ConfigurationError(f"{path}, line {bad_line} is neither UTF-8 nor Windows-1252: {SAVE_AS}")
    _check_western(path, file)
    return "cp1252"


def _check_western(path: Path, file: BinaryIO) -> None:
    """Refuse a file whose words cannot be Windows-1252: Polish, Greek, old Mac or DOS files hold signs inside words."""
    file.seek(0)
    for number, line in enumerate(iter(partial(file.readline, _CHUNK), b""), start=1):
        if not line.isascii() and (word := unlikely_in_western(line.decode("cp1252", "replace"))):
            raise ConfigurationError(
                f"{path}, line {number}: is not UTF-8, and {word!r} is no word in Windows-1252, which was guessed: "
                f"{SAVE_AS} (cp1250 in Central Europe, cp1254 in Turkey, cp1257 in the Baltic, cp1253 in Greece, "
                "iso-8859-15, mac_roman, cp850 …; cp1252 if the word is right)"
            )
