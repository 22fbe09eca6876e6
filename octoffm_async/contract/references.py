"""Check of references that an API may store in another form than the one that was sent.

The client looks up an order by its reference if the response was lost. If the API trims, normalizes or truncates the
references that it stores, the look-up does not find the order: nothing is sent twice, but the order stays undecided. So
the client warns of odd references before it sends them, or rejects them if the caller asks for that.
"""

from __future__ import annotations

import unicodedata

from .bounds import REFERENCE_MAX

__all__ = ["reference_oddity"]

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of control and format characters (zero width, writing direction) and of non-characters."""


def reference_oddity(reference: str) -> str:
    """Return the reasons why a reference is odd; empty for one that every API stores unchanged."""
    is_ascii = reference.isascii() and reference.isprintable()
    if is_ascii and " " not in reference and len(reference) <= REFERENCE_MAX:  # visible ASCII cannot be odd
        return ""
    reasons: list[str] = []
    if reference != reference.strip():
        reasons.append("has leading or trailing spaces")
    inner = reference.strip()
    if unseen := sorted({sign for sign in inner if unicodedata.category(sign) in _UNSEEN}):
        named = ", ".join(f"U+{ord(sign):04X}" for sign in unseen[:3])
        reasons.append(f"has invisible characters ({named})")
    if any(unicodedata.category(sign) == "Zs" and sign != " " for sign in inner) or "  " in inner:
        reasons.append("has spaces that are not single plain spaces")
    if not unicodedata.is_normalized("NFC", reference):
        reasons.append("is not in the composed form (NFC)")
    elif not unicodedata.is_normalized("NFKC", "".join(inner.split())):
        reasons.append("has characters with a simpler form (NFKC)")
    if len(reference) > REFERENCE_MAX:
        reasons.append(f"has {len(reference)} characters, more than {REFERENCE_MAX}")
    return ", ".join(reasons)
