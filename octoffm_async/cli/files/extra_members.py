"""``--set extra.NAME=VALUE``: members that the API wants and the package does not model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...contract.answers.names import folded
from ...errors import ConfigurationError
from ...tabular.cells.parsers import extra as read_extra
from ...tabular.item_types import EXTRA, check_extra
from ..options import parse_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...contract.base import Request
    from ...contract.contract_file.translation import Translation
    from ...tabular.column_plan import ColumnPlan

F = TypeVar("F", bound="Callable[..., Any]")


def extra_option(struct: type[Request]) -> Callable[[F], F]:
    """Add ``--set extra.NAME=VALUE`` to a command that sends one item; it receives ``extra: dict[str, Any] | None``."""

    def read(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        for name, text in parse_pairs(context, option, given).items():
            if not name.startswith(EXTRA):
                raise click.BadParameter(f"{name!r} is not {EXTRA}NAME", context, option)
            try:
                check_extra(struct, name)
            except ConfigurationError as error:
                raise click.BadParameter(str(error), context, option) from None
            found[name.removeprefix(EXTRA)] = read_extra(text)
        return found or None

    return click.option(
        "--set",
        "extra",
        multiple=True,
        callback=read,
        metavar="extra.NAME=VALUE",
        help="A member that the API wants beside these options; VALUE is JSON, or else text.",
    )


def check_against_contract(translation: Translation, struct: type[Request] | None, names: Iterable[str]) -> None:
    """Refuse extra members with a name under which a contract file sends a field of the item.

    Raises:
        ConfigurationError: An extra member has such a name; the error names the first one.
    """
    if struct is None:
        return
    taken = translation.names_of(struct)
    for name in names:
        if (own := taken.get(folded(name))) is not None:
            raise ConfigurationError(f"{EXTRA}{name}: the contract file sends the field {own} under that name")


def check_plan(translation: Translation, plan: ColumnPlan) -> None:
    """Refuse a plan for a file whose extra members have a name under which a contract file sends a field.

    Raises:
        ConfigurationError: An extra member has such a name; the error names the first one.
    """
    names = [name.removeprefix(EXTRA) for name in (*plan.columns, *plan.constants) if name.startswith(EXTRA)]
    check_against_contract(translation, plan.target.struct, names)
