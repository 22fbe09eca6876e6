"""Translation of requests and responses between the names of a contract file and the contract's own names.

The handlers know the contract's names only. With a contract file the sandbox uses the names of the real API, so that a
client can be tested against them first. The sandbox refuses a request that uses the contract's own name where the file
has another one, or that lacks a member which the file adds.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from octoffm_async.contract.answers.field_specs import specs_of
from octoffm_async.contract.answers.json_values import is_array, is_object
from octoffm_async.contract.answers.names import find_key
from octoffm_async.contract.contract_file.model import ContractFile
from octoffm_async.contract.contract_file.respelling import respelled_document
from octoffm_async.contract.contract_file.translation import Translation
from octoffm_async.contract.operations import OPERATIONS, Operation, Shape

from ..http.responses import JSON, PROBLEM_JSON, HttpReply, validation_problem

_LINK = re.compile(r"<([^>?]*)\?([^>]*)>(.*)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Dialect:
    """Translator between a contract file's names and the contract's."""

    def __init__(self, file: ContractFile) -> None:
        self._translation = Translation(file)
        words = respelled_document(file)
        self.document: dict[str, Any] = {part: words[part] for part in ("paths", "components")}
        """The parts of the OpenAPI document that differ."""

    def path(self, operation: Operation[Any]) -> str:
        """Return the path at which an operation is served."""
        return self._translation.path(operation)

    def query(self, operation: Operation[Any], query: Mapping[str, str]) -> dict[str, str]:
        """Return a query under the contract's names."""
        return self._translation.query_from_wire(operation, query)

    def body(self, operation: Operation[Any], body: bytes) -> bytes:
        """Return a request's body under the contract's names; a body that is not JSON is returned unchanged.

        Raises:
            ProblemError: the body lacks a member that the contract file adds.
        """
        if operation.request is None:
            return body
        try:
            sent = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return body
        read = self._translation.request_from_wire(operation, sent)
        self._check_added(operation.request, read, "")
        return msgspec.json.encode(read)

    def reply(self, operation: Operation[Any] | None, reply: HttpReply) -> HttpReply:
        """Return a response in the names of the contract file."""
        if reply.body and reply.content_type == PROBLEM_JSON:
            return reply._replace(body=msgspec.json.encode(self._problem(msgspec.json.decode(reply.body))))
        if operation is None or operation not in OPERATIONS:  # no contract file covers the token request or the sellers
            return reply
        if reply.body and reply.content_type == JSON:
            answer = self._translation.answer_to_wire(operation, msgspec.json.decode(reply.body))
            reply = reply._replace(body=msgspec.json.encode(answer))
        if operation.shape is Shape.PAGE and (link := reply.headers.get("Link")) is not None:
            return reply._replace(headers={**reply.headers, "Link": self._link(operation, link)})
        return reply

    def _link(self, operation: Operation[Any], link: str) -> str:
        matched = _LINK.fullmatch(link)
        if matched is None:
            return link
        query = self._translation.query_to_wire(operation, dict(parse_qsl(matched[2], keep_blank_values=True)))
        return f"<{matched[1]}?{urlencode(query)}>{matched[3]}"

    def _check_added(self, struct: type, sent: Any, path: str) -> None:
        """Refuse a request that lacks a member of the file's ``extra``."""
        rows: list[Any] = sent if is_array(sent) else [sent]
        for place, row in enumerate(rows):
            if not is_object(row):
                continue
            where = f"{path}[{place}]" if is_array(sent) else path
            members = row
            for name in self._translation.file.extra.get(struct.__name__, {}):
                if find_key(members, name) is None:
                    field = f"{where}.{name}" if where else name
                    raise validation_problem({field: [f"The {name} field is required."]})
            for spec in specs_of(struct):
                if spec.kind in ("struct", "list") and spec.wire in members:
                    self._check_added(spec.inner, members[spec.wire], f"{where}.{spec.wire}" if where else spec.wire)

    def _problem(self, problem: dict[str, Any]) -> dict[str, Any]:
        errors: dict[str, Any] = problem.get("errors") or {}
        renamed = {
            _WORD.sub(lambda word: self._names.get(word[0], word[0]), path): messages
            for path, messages in errors.items()
        }
        return {**problem, "errors": renamed} if errors else problem

    @cached_property
    def _names(self) -> dict[str, str]:
        """Names of fields and parameters in the API by name in the contract, for the paths in problems."""
        names: dict[str, str] = {}
        for operation in OPERATIONS:
            if operation.request is not None:
                self._collect(operation.request, names)
            if operation.filters is not None:
                said = self._translation.operation(operation).query
                names |= {spec.wire: said[spec.name] for spec in specs_of(operation.filters) if spec.name in said}
        return names

    def _collect(self, struct: type[msgspec.Struct], names: dict[str, str]) -> None:
        for spec in specs_of(struct):
            mapping = self._translation.mapping(struct, spec.name)
            if mapping is not None and mapping.path:
                names[spec.wire] = ".".join(mapping.path)
            if spec.kind in ("struct", "list"):
                self._collect(spec.inner, names)
