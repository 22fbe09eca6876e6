"""The check of a single creation's reference: logs an unusual one, or refuses it where the options say so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..contract.requests.checks import FieldProblem, reference_oddity
from ..errors import ValidationError

if TYPE_CHECKING:
    from ..session.seller_session import SellerSession

logger: logging.Logger = logging.getLogger("octoffm_async")


def check_reference(scope: SellerSession, what: str, reference: str) -> None:
    """Log a warning for a reference that an API may store in another form.

    Raises:
        ValidationError: the reference is of that kind, and ``strict_references`` is set.
    """
    if reason := reference_oddity(reference):
        if scope.options.strict_references:
            raise ValidationError(what, reference, [FieldProblem("reference", reference, reason)])
        logger.warning("odd reference: %r %s: an API may keep it in another form", reference[:60], reason)
