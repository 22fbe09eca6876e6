"""Returns: parcels that come back to the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.requests.validation import return_problems
from ..contract.returns import (
    COUNT_RETURNS,
    CREATE_RETURN,
    GET_LABEL,
    GET_RETURN,
    LIST_RETURNS,
    ReturnCountFilters,
    ReturnFilters,
    ReturnRequest,
)
from ..errors import ValidationError, check_type
from ..session.pagination import paginate
from .raw_method import RawResource, raw

if TYPE_CHECKING:
    from datetime import datetime

    from ..contract.common import Document
    from ..contract.returns import Return, ReturnStatusName, ReturnTypeName
    from ..session.pagination import Pager
    from ..session.seller_session import SellerSession


class Returns:
    """Customer returns of a seller: ``client.returns``.

    ::

        return_id = await client.returns.create(request)
        label = await client.returns.label(return_id)
    """

    def __init__(self, scope: SellerSession) -> None:
        self._scope = scope

    async def create(self, request: ReturnRequest) -> str:
        """Announce one customer return of a parcel shipped from FR or ES, and return its ``return_id`` (documented).

        The client sends it again only after a failure that shows that the API did not carry it out.

        Raises:
            ValidationError: the return is invalid; nothing was sent.
            CallError: the call did not succeed. If ``outcome_unknown``, look for the return before you send it again.
        """
        _check_return(request)
        self._scope.check_extra("return", request)
        return_id, _ = await self._scope.call(CREATE_RETURN, body=request)
        return return_id

    async def get(self, return_id: str) -> Return:
        """Return one customer return by its id (documented).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotFoundError: this seller has no such return.
            CallError: the call did not succeed.
        """
        found, _ = await self._scope.call(GET_RETURN, path={"returnId": return_id})
        return found

    async def label(self, return_id: str) -> Document:
        """Download the label for the customer, usually a PDF; only returns to FR have one (documented).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotReadyError: the return exists, and it has no label, or not yet: see ``has_label``.
            NotFoundError: this seller has no such return.
            UnusableAnswerError: the answer is no document, or the document's URL is on another origin.
            CallError: the call did not succeed.
        """
        return await self._scope.document(GET_LABEL, path={"returnId": return_id}, owner=GET_RETURN)

    def list(
        self,
        *,
        type: ReturnTypeName | None = None,  # noqa: A002  (the API's word)
        status: ReturnStatusName | None = None,
        created_at_min: datetime | None = None,
        created_at_max: datetime | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        limit: int = 1000,
        resume_from: str | None = None,
        max_items: int | None = None,
    ) -> Pager[Return]:
        """List the returns that match the filters (documented; the filters are assumed).

        ``type`` is a :class:`ReturnType`, ``status`` a :class:`ReturnStatus`. ``limit`` is the size of a page, 1 to
        1000. Times need a time zone. ``resume_from`` is the cursor to start at; ``max_items`` ends the list early.

        Raises:
            ValidationError: a filter is out of range.
        """
        filters = ReturnFilters(
            type=type,
            status=status,
            created_at_min=created_at_min,
            created_at_max=created_at_max,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            limit=limit,
            cursor=resume_from,
        )
        return paginate(self._scope, LIST_RETURNS, filters, max_items=max_items)

    async def count(
        self,
        *,
        type: ReturnTypeName | None = None,  # noqa: A002  (the API's word)
        status: ReturnStatusName | None = None,
        created_at_min: datetime | None = None,
        created_at_max: datetime | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
    ) -> int:
        """Return the number of returns that match the filters (seen).

        Raises:
            ValidationError: a filter is out of range; nothing was sent.
            CallError: the call did not succeed.
        """
        filters = ReturnCountFilters(
            type=type,
            status=status,
            created_at_min=created_at_min,
            created_at_max=created_at_max,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
        )
        return await self._scope.count(COUNT_RETURNS, filters)


def _check_return(request: ReturnRequest) -> None:
    check_type("return", request, ReturnRequest)
    if problems := return_problems(request):
        raise ValidationError("return", str(request.reference or request.outbound_shipment_id), problems)


class RawReturns(RawResource):
    """The calls of ``client.returns``; a list gives its first page."""

    @raw(Returns.create)
    def create(self) -> None: ...

    @raw(Returns.get)
    def get(self) -> None: ...

    @raw(Returns.list)
    def list(self) -> None: ...

    @raw(Returns.count)
    def count(self) -> None: ...

    @raw(Returns.label)
    def label(self) -> None: ...
