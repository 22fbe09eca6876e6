"""The reference of a single creation: an odd one is told, or refused where the caller asks for that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..contract.checks import FieldProblem
from ..contract.references import oddness
from ..errors import ValidationError

if TYPE_CHECKING:
    from ..session.scope import Scope

logger = logging.getLogger("octoffm_async")


def check_reference(scope: Scope, what: str, reference: str) -> None:
    """Tell in the log of a reference that an API may keep in another form.

    Raises:
        ValidationError: it is one, and the options refuse such.
    """
    if reason := oddness(reference):
        if scope.options.strict_references:
            raise ValidationError(what, reference, [FieldProblem("reference", reference, reason)])
        logger.warning("odd reference: %r %s: an API may keep it in another form", reference[:60], reason)
