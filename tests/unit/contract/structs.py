"""What the tests of structs share: the walk over annotations."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec

from octoffm_async.contract.base import A, Answer, D, Query, S, modelled_fields

TAGS = {id(D): "D", id(S): "S", id(A): "A"}


def structs_of(module: ModuleType) -> list[type[msgspec.Struct]]:
    """The structs that a module defines."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Query | Answer) and value.__module__ == module.__name__
    ]


def tags_of(struct: type[msgspec.Struct]) -> Iterator[tuple[str, list[str]]]:
    """Each field with its tags."""
    hints = get_type_hints(struct, include_extras=True)
    for name in modelled_fields(struct):
        hint = hints[name]
        extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        yield name, [TAGS[id(extra)] for extra in extras if id(extra) in TAGS]
