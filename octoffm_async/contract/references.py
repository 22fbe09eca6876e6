"""References that an API may keep in another form than the one that was sent, and why.

An order whose answer was lost is looked up by its reference. Where the API trims, composes or cuts off what it keeps,
the order is not found under the reference that was sent: nothing is doubled, but the order stays undecided. So odd
references are told before they are sent, or refused where the caller asks for that.
"""

from __future__ import annotations

import unicodedata

from .bounds import REFERENCE_MAX

__all__ = ["oddness"]

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Categories of controls, of format signs (without width, of writing direction), and of what is no sign at all."""


def oddness(reference: str) -> str:
    """Return why a reference is odd; nothing for one that every API keeps as it is."""
    is_ascii = reference.isascii() and reference.isprintable()
    if is_ascii and " " not in reference and len(reference) <= REFERENCE_MAX:  # nothing of visible signs can be odd
        return ""
    reasons: list[str] = []
    if reference != reference.strip():
        reasons.append("has blanks around it")
    inner = reference.strip()
    if unseen := sorted({sign for sign in inner if unicodedata.category(sign) in _UNSEEN}):
        named = ", ".join(f"U+{ord(sign):04X}" for sign in unseen[:3])
        reasons.append(f"has signs that nobody sees ({named})")
    if any(unicodedata.category(sign) == "Zs" and sign != " " for sign in inner) or "  " in inner:
        reasons.append("has blanks that are not single plain ones")
    if not unicodedata.is_normalized("NFC", reference):
        reasons.append("is not composed (NFC)")
    elif not unicodedata.is_normalized("NFKC", "".join(inner.split())):
        reasons.append("has signs that have a plainer form (NFKC)")
    if len(reference) > REFERENCE_MAX:
        reasons.append(f"has {len(reference)} signs, more than {REFERENCE_MAX}")
    return ", ".join(reasons)
