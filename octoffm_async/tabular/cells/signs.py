"""Signs and words that stand in a cell in place of a value, or that nobody sees.

Programs write their word for "nothing" (``nan``, ``NULL``, ``#N/A``), copies from a web page bring signs without width,
and a file that was read in the wrong encoding holds pairs of signs in place of letters. A value with one of them is
mended where only one value can be meant, and refused elsewhere.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Final

UNSEEN: Final = dict.fromkeys(
    [
        0x00AD,  # soft hyphen
        0x034F,  # combining grapheme joiner
        0x061C,  # Arabic letter mark
        0x115F,
        0x1160,  # Hangul fillers
        0x17B4,
        0x17B5,
        0x180E,
        0x200B,  # zero-width space
        0x200E,  # marks of the direction of writing
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0x2800,  # empty Braille pattern
        0x3164,
        0xFEFF,  # byte order mark
        0xFFA0,
        *range(0xFFF9, 0xFFFC),
    ]
)
"""Signs without width or ink, for :meth:`str.translate`. The joiners of emoji and of Persian words are not among them:
they change how a name is written."""
JOINERS: Final = dict.fromkeys([0x200C, 0x200D, *range(0xFE00, 0xFE10), *range(0xE0000, 0xE0080)])
"""Joiners, variation selectors and tags: part of a name, yet none of them is one, and no code has one."""
WESTERN: Final = {
    byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}
}
"""Letters of Windows-1252 that were read as control signs of Latin-1, as web pages often have them."""
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control signs that no value has; a tab and the ends of lines can stand in a cell."""
LOST: Final = "\ufffd"
_DASHES: Final = "-‐‑‒–—―−._?¿*/\\|~…·• \t\r\n\u00a0"
"""Signs that people type where they have no value."""
_WORDS: Final = frozenset(
    {
        "nan", "nat", "none", "null", "nil", "<na>", "n/a", "n.a.", "n.a", "na/", "<null>",
        "(null)", "[null]", "{null}", "\\n", "undefined", "(blank)", "(leer)", "(vide)", "<none>",
        "(none)", "<nan>", "<nat>", "-nan", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#qnan", "1.#ind",
        "-1.#ind", "1.#inf", "-1.#inf", "inf", "-inf", "infinity", "-infinity", "#n/a", "#n/a n/a", "#na",
        "pd.na", "nonetype", "loading...", "loading…"
    }
)  # fmt: skip
_WORDS_ONLY: Final = re.compile(
    r"(?:(?:nan|nat|none|null|undefined|<na>|\[object object\])[\W_]*)+|\[\]|\{\}", re.IGNORECASE
)
"""Words for nothing that a program joined, as it joins a first and a last name."""
_NAMES_TOO: Final = frozenset({"Nan", "Nat", "Nil"})
"""Words that are names of people when written so."""
_REPEATED: Final = re.compile(r"[\"'″”“„〃^]+|,,|id[.]|do[.]|(?:idem|ditto|dito|s[.]o[.])[.]?", re.IGNORECASE)
"""Signs and words for the value of the row above."""
_ERROR: Final = re.compile(
    r"#(?:[NНΔI]/[ADBДΥT]|N[VB]|[¡¿]?[^\W\d_]+(?:/[^\W_]{1,4})?\s?[!?]|GETTING_DATA|#{2,})|Err:\d{3}"
)
"""Errors in many languages; a blank stands before the last sign in French."""
_HIGH: Final = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\x80-\xbf"
_TWICE: Final = re.compile(
    f"[ÂÃ][{_HIGH}]|â[€‚][{_HIGH}]|[ĂĹ][{_HIGH}ˇ˘˛˝Ľľłśźťąż]|[ÄÅÎÏÐÑØÙ][‚ƒ„†‡ˆ‰‹¡¢£¤¥¦§¨©ª«¬\xad¯°±²³´µ¶·¸¹º»¼½¾¿\x80-\x9f]|ï¿½"
)
"""UTF-8 that was read as Windows-1252 or Windows-1250: ``RenÃ©`` or ``RenĂ©`` for ``René``."""
_OTHERWISE: Final = re.compile("[^\\W\\d_][\u2500-\u259f]|[\u2500-\u259f][^\\W\\d_]|√[^\\s\\d]")
"""UTF-8 that was read as DOS or old Macs have it: ``M├╝ller``, ``M√ºller``."""
_ESCAPED: Final = re.compile(
    r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[C-Fc-f][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]|\w%20\w|=\?[\w-]+\?[BbQq]\?"
    r"|_x[0-9A-Fa-f]{4}_"
)
_HTML: Final = re.compile(r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|[A-Za-z][A-Za-z0-9]{1,8});")
_LOST_LETTER: Final = re.compile(r"[^\W\d_]\?+[^\W\d_]")
_UNFILLED: Final = re.compile(r"\{\{.*\}\}|\$\{.*\}|<%.*%>|\{[A-Za-z_.]+\}|%\(?[sd]", re.DOTALL)
"""The place of a value in a text that a program did not fill."""
_SYMBOL: Final = "³²¹½¼¾±¬¦¨¯¸¡¿‚„“”‹›«»†‡ƒˆ‰¤¢£¥§¶÷˜"
_IN_WORDS: Final = (
    f"[^\\W\\d_][{_SYMBOL}][^\\W\\d_]"  # a sign inside a word: C½ur, Fran‡ois
    "|(?<![^\\W\\d_])[¯£¥¨³¹¸ˆ‡†ƒ‰][^\\W\\d_]"  # a sign before a word: £ódŸ, ¯ó³æ
    "|(?<=[^\\W\\d_]{2})(?<![cdkm]m)[³¹¨¯¸ˆ‡†ƒ‰‚„](?!\\w)"  # a sign behind a word that is no unit: Pawe³
)
_LATIN: Final = "A-Za-zÀ-ÖØ-öø-ɏ"
_OTHERS: Final = "\u0370-\u052f\uff61-\uff9f"
"""Greek, Cyrillic, and the narrow letters of Japanese."""
_MISREAD: Final = re.compile(f"{_IN_WORDS}|[{_LATIN}][{_OTHERS}]|[{_OTHERS}][{_LATIN}]")
"""Signs inside words, and letters of two scripts in one word: ``MГјller``."""
_BESIDE: Final = re.compile(
    f"{_IN_WORDS}|[a-zà-öø-ÿ][ŽŠŸŒ]|[^\\W\\d_][ŽŠŸŒ][a-zß-öø-ÿ]"  # a capital inside a word: RenŽ, MŸller
    "|[^\\W\\d_][–—•™][a-zß-öø-ÿ]"  # a type setter's sign inside a word: c™te
    "|(?<![^\\W\\d_])(?:¦|[¼´](?=[^\\W\\d_]{2}))[^\\W\\d_]"  # one of ISO-8859-15 before a word: ¦koda, ¼uvre
    "|[À-ÿŠŒŽšœžŸ]{3}"  # several accented letters in a row: Áííá
    "|[ÞþÐð]"  # letters of Turkish and of the Baltic languages, which only Icelandic has here: Þahin, Ðiauliai
    "|(?<![^\\W\\d_])Ý[a-zß-ÿ]"  # Ýzmir
    "|[¤\x80-\x9f]"
)
SUSPECT: Final = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xadÂÃâÄÅÎÏÐÑØÙï{LOST}{''.join(map(chr, UNSEEN))}\u2500-\u259f√&%?:_\\\\"
    f"ĂĹ{_SYMBOL}{_OTHERS}]"
)
"""Signs of which one stands in each text that is not taken as it is for its signs."""
MADE_UP: Final = "is a word for an empty value and no value"


def is_placeholder(cell: str) -> bool:
    """Return True if a cell holds a program's word for "nothing", only dashes and the like, or nothing visible."""
    folded = cell.casefold()
    if folded in _WORDS:
        return cell not in _NAMES_TOO
    if cell == "NA" or _WORDS_ONLY.fullmatch(cell):
        return True
    return not cell.translate(UNSEEN | JOINERS).strip(_DASHES) or _UNFILLED.fullmatch(cell) is not None


def repeats(cell: str) -> bool:
    """Return True if a cell holds a sign or a word for the value of the row above."""
    return cell != "Ditto" and _REPEATED.fullmatch(cell) is not None


def is_words(cell: str) -> bool:
    """Return True if a cell holds letters, blanks and dashes only, and no word for "nothing" or for the value above."""
    folded = cell.casefold()
    letters = folded.replace(" ", "").replace("-", "")
    return letters.isalpha() and folded not in _WORDS and not (is_placeholder(cell) or repeats(cell))


def is_error(cell: str) -> bool:
    """Return True if a cell holds an error that a spreadsheet shows in place of a value."""
    return _ERROR.fullmatch(cell) is not None


def broken(cell: str) -> str:
    """Return the reason why a text cannot be the one that was meant; empty if it can."""
    if found := CONTROL.search(cell):
        return f"has the control sign U+{ord(found[0]):04X}, which no value has"
    if LOST in cell:
        return "has a sign in place of a letter that was lost: the bytes are of another encoding, or an export lost it"
    if (found := _TWICE.search(cell)) is not None:
        meant = _once(cell)
        return f"was read in a wrong encoding before{f': is it {meant!r}?' if meant else ''}"
    if _OTHERWISE.search(cell):
        return "was read in a wrong encoding before: export it again as UTF-8"
    if found := _ESCAPED.search(cell):
        return f"has {found[0]!r} in place of a letter: a program wrote the text in a coded form"
    return ""


def without_html(cell: str) -> str:
    """Return a text with its signs themselves where a web page spells them: ``Müller`` for ``M&uuml;ller``."""
    for _ in range(3):  # each program on the way may have spelled them once more
        if not _HTML.search(cell):
            break
        cell = _HTML.sub(lambda found: unescape(found[0]), cell)
    return cell.strip()


def lost_letter(cell: str) -> str:
    """Return the reason why a letter of a text was lost on the way; empty if none was."""
    if _LOST_LETTER.search(cell) is not None:
        return "has a question mark in place of a letter, which a program could not write"
    if not cell.isascii() and (found := _MISREAD.search(cell)):
        return f"was read in a wrong encoding before: {found[0]!r} is in no word"
    return ""


def unlikely_in_western(text: str) -> str:
    """Return the word of a text that was decoded as Windows-1252 and is none in any language written so; else empty."""
    found = _BESIDE.search(text) or _TWICE.search(text)
    if found is None:
        return ""
    start = max(text.rfind(sign, 0, found.start()) for sign in ' ,;\t\n"|') + 1
    return re.split('[ ,;\t\r\n"|]', text[start : found.end() + 20], maxsplit=1)[0]


def _once(cell: str) -> str:
    try:
        return cell.encode("cp1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return ""
