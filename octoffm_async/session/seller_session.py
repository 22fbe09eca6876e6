"""A seller's view of the session, through which resources and bulk runs make their calls."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlencode

import msgspec

from ..contract.forms.times import plain_times
from ..contract.operations import OPERATIONS, Group, Operation, Repeatability, Shape
from ..contract.requests.checks import FieldProblem
from ..contract.requests.filters import filter_problems
from ..errors import ConflictError, NotFoundError, NotReadyError, UnusableAnswerError, ValidationError
from ..transport.headers import path_segment
from ..transport.response import Response
from .options import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from ..contract.base import Query, Request
    from ..contract.common import Document
    from .options import CallOptions
    from .session import Result, Session

T = TypeVar("T")
FiltersT = TypeVar("FiltersT", bound="Query")
_ENCODER = msgspec.json.Encoder()
_ARGUMENTS = {"cursor": "resume_from"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_PATH = re.compile(r"(?:/(?:[\w.~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+", re.ASCII)
_GROUP_OF_COLLECTION = {operation.path.split("/")[1]: operation.group for operation in OPERATIONS}


class SellerSession:
    """One seller on a session, with the options of its calls."""

    __slots__ = ("options", "seller_id", "session")

    def __init__(self, session: Session, seller_id: str, options: CallOptions = DEFAULTS) -> None:
        self.session: Session = session
        self.seller_id: str = seller_id
        self.options: CallOptions = options

    def call(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        peek: Callable[[Response], None] | None = None,
    ) -> Coroutine[Any, Any, Result[T]]:
        """Make one call; ``path`` fills the segments of the operation's path, ``body`` is encoded as JSON.

        The session calls ``peek`` with each successful response, before its body is read if the transport supports
        that, else before it is decoded. Tasks that ``peek`` starts run before the body is decoded. It is called at most
        once per attempt and must not raise.

        Raises:
            CallError: The call did not succeed; ``outcome_unknown`` says that the API may have carried it out.
            ClosedError: The session is not open on this event loop.
        """
        session = self.session
        url = session.addresses[operation]
        if path is not None:
            url = _filled(url, operation, path)
        if query is not None and (sent := session.translation.query_to_wire(operation, query)):
            url = f"{url}?{urlencode(sent)}"
        encoded = None if body is None else session.encode(operation, body)
        return session.call(operation, seller_id=self.seller_id, url=url, body=encoded, options=self.options, peek=peek)

    def check_extra(self, what: str, item: Request) -> None:
        """Reject an item with an extra member at a place where the contract file sends a field.

        Raises:
            ValidationError: The item has such members; the error names each of them.
        """
        translation = self.session.translation
        if translation.file.fields and (problems := translation.extra_problems(item)):
            key = getattr(item, "reference", None) or getattr(item, "seller_product_reference", None) or ""
            raise ValidationError(what, str(key), problems)

    async def count(self, operation: Operation[int], filters: Query) -> int:
        """Return a count.

        Raises:
            ValidationError: The filters exclude each other, or are out of range.
        """
        count, _ = await self.call(operation, query=checked_query(operation, filters))
        return count

    async def document(
        self, operation: Operation[Document | str], *, path: Mapping[str, str], owner: Operation[Any]
    ) -> Document:
        """Return a document, read from the address that the API names, if it does; it must be on the API's origin.

        A 404 may mean that the document's ``owner`` is unknown or that it is too early: the client requests the owner
        to find out.

        Raises:
            NotReadyError: The owner exists, and the document does not yet.
            NotFoundError: The owner is unknown.
        """
        now = asyncio.get_running_loop().time
        ends = now() + (self.options.deadline or self.session.config.deadline)

        def rest() -> SellerSession:  # one deadline covers all the calls for a document
            return SellerSession(self.session, self.seller_id, self.options.changed(deadline=max(1e-3, ends - now())))

        try:
            found, _ = await self.call(operation, path=path)
            if isinstance(found, str):
                found, _ = await self.session.call(
                    operation, seller_id=self.seller_id, url=found, options=rest().options
                )
        except ConflictError as error:
            raise NotReadyError.of(error) from error
        except NotFoundError as error:
            await rest().call(owner, path=path)
            raise NotReadyError.of(error) from error
        if isinstance(found, str):
            chained = UnusableAnswerError("the document's address leads to one more address: not followed")
            chained.operation, chained.seller_id = operation.name, self.seller_id
            raise chained
        return found

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make a call that is not in the table of operations; see ``client.request``."""
        if problems := _request_problems(method, path, json, params):
            raise ValidationError("request", problems=problems)
        operation = Operation[Response](
            name=f"{method.upper()} {path}",
            method=method.upper(),
            path=path,
            group=_GROUP_OF_COLLECTION.get(unquote(path)[1:].partition("/")[0], Group.OTHER),
            tag="A",
            answer=Response,
            repeatability=Repeatability.SAFE if method.upper() in ("GET", "HEAD") else Repeatability.NEVER,
            shape=Shape.RAW,
        )
        response, _ = await self.session.call(
            operation,
            seller_id=self.seller_id,
            url=self.session.config.base_url + path + (f"?{urlencode(params)}" if params else ""),
            body=None if json is None else _ENCODER.encode(json),
            options=self.options if headers is None else self.options.with_headers(headers),
        )
        return response


def _filled(path: str, operation: Operation[Any], segments: Mapping[str, str]) -> str:
    for name, value in segments.items():
        path = path.replace(f"{{{name}}}", path_segment(name, value, operation=operation.name))
    return path


def checked_query(operation: Operation[Any], filters: Query) -> dict[str, str]:
    """Return the parameters of a list or count call.

    Raises:
        ValidationError: The filters exclude each other, or are out of range.
    """
    if odd := plain_times(filters):
        filters = msgspec.structs.replace(filters, **odd)
    if problems := filter_problems(filters):
        named = [problem._replace(field=_ARGUMENTS.get(problem.field, problem.field)) for problem in problems]
        raise ValidationError(operation.name, problems=named)
    return {name: str(value) for name, value in msgspec.to_builtins(_in_utc(filters)).items()}


def _in_utc(filters: FiltersT) -> FiltersT:
    # The API writes its times with Z; other offsets name the same moments, but are less safe to send.
    times = {
        name: value.astimezone(UTC)
        for name in filters.__struct_fields__
        if isinstance(value := getattr(filters, name), datetime)
    }
    return msgspec.structs.replace(filters, **times) if times else filters


def _request_problems(method: Any, path: Any, json: Any, params: Any) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if not isinstance(method, str) or method.upper() not in _METHODS:
        problems.append(FieldProblem("method", method, f"is not one of {', '.join(_METHODS)}"))
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        reason = "is not an encoded path under the base URL, such as /stocks/42 (a query goes into params)"
        problems.append(FieldProblem("path", path, reason))
    elif any(part in ("", ".", "..") for part in re.split(r"[/\\]", unquote(path)[1:])):
        problems.append(FieldProblem("path", path, "has an empty part, or leads out of the API"))
    problems += _refused_by(_ENCODER.encode, "json", json)
    if params is not None:
        problems += _refused_by(urlencode, "params", params)
    return problems


def _refused_by(encode: Callable[[Any], object], name: str, value: Any) -> Iterator[FieldProblem]:
    try:
        encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        yield FieldProblem(name, value, f"cannot be sent: {error}")
