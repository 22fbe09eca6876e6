"""The forms of responses as options of the command line: ``--style names=pascal``."""

from collections.abc import Iterable
from typing import NamedTuple, cast

from ..settings import StyleOptions, style_values


class _Choice(NamedTuple):
    """A short name, the field of :class:`~..settings.Style` that it sets, and a description."""

    name: str
    field: str
    what: str


_CHOICES = (
    _Choice("list", "list_shape", 'lists as {"items": [...]} or bare'),
    _Choice("links", "links", "addresses in Link and Location headers"),
    _Choice("creation", "creation_answer", "place of a new id"),
    _Choice("products", "product_answer", "response to a registration"),
    _Choice("count", "count_form", "form of counts"),
    _Choice("documents", "documents", "notes and labels"),
    _Choice("filter", "reference_filter", "sellerProductReference of /stocks"),
    _Choice("names", "names", "spelling of all members"),
    _Choice("numbers", "numbers", "numbers as numbers or as text"),
    _Choice("quantities", "quantities", "by type, or [{type, quantity}]"),
    _Choice("refused", "refused", "word for this status"),
    _Choice("cancelled", "cancelled", "word for this status"),
    _Choice("times", "times", "with Z, none, +01:00, 7 decimals"),
    _Choice("ids", "ids", "ids and gtin"),
    _Choice("empty", "empty", "lists without rows"),
)
_BY_NAME = {choice.name: choice for choice in _CHOICES}
_ALIASES = {("count", "object"): "count"}


def parse_styles(texts: Iterable[str]) -> StyleOptions:
    """Parse any number of ``NAME=VALUE`` into keyword arguments of a sandbox.

    Raises:
        ValueError: a name or value is unknown (the message lists the known ones), or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        choice = _BY_NAME.get(name)
        if choice is None:
            raise ValueError(f"{text!r} is not NAME=VALUE with one of the names {', '.join(_BY_NAME)}")
        if choice.field in found:
            raise ValueError(f"{name} is given more than once")
        forms = style_values()[choice.field]
        spelled = _ALIASES.get((name, value.casefold()), value).casefold()
        form = next((form for form in forms if form.casefold() == spelled), None)
        if form is None:
            raise ValueError(f"{text!r}: {name} is one of {', '.join(forms)}")
        found[choice.field] = form
    return cast("StyleOptions", found)


def style_texts(options: StyleOptions) -> list[str]:
    """Return keyword arguments of a sandbox as ``NAME=VALUE``."""
    given = cast("dict[str, str]", options)
    return [f"{choice.name}={given[choice.field]}" for choice in _CHOICES if choice.field in given]


def style_table() -> str:
    """Return all names with their values, a line per name; the first value is the default."""
    values = {choice.name: ", ".join(style_values()[choice.field]) for choice in _CHOICES}
    return "\n".join(f"  {name:<11}{forms}: {_BY_NAME[name].what}" for name, forms in values.items())
