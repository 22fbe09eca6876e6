"""Single objects and documents in responses: decoded by the adapted type, step by step where that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ...contract.answers.field_specs import specs_of
from ...contract.answers.json_values import is_array, is_object, json_type
from ...contract.answers.names import find_key
from ...contract.answers.reader import MissingIdentityError
from ...contract.common import DocumentAnswer
from ...contract.contract_file.translation import Translation, spelled_path, value_at_path
from ...contract.operations import Shape
from .documents import UnusableDocumentError, document_in
from .learning_reader import LearningReader, unmarked
from .unusable import UnusableError

if TYPE_CHECKING:
    from ...contract.common import Document, DocumentAnswer
    from ...contract.operations import Operation
    from ...transport.response import Response
    from .drift import DriftLog


_WRAPS = ("data", "item", "result")


class ObjectReader(LearningReader):
    """A reader of one object; where the operation's result is optional, an empty body is None."""

    def __init__(self, operation: Operation[Any], translation: Translation, drift: DriftLog) -> None:
        self._place = translation.operation(operation).result or ()
        self._optional = operation.shape is Shape.OPTIONAL
        super().__init__(operation, translation, drift)

    def _read_carefully(self, response: Response, *, skip_bad_rows: bool) -> Any:  # noqa: ARG002  (one object has no rows)
        if not response.body.strip():
            if self._optional:
                return None
            raise UnusableError("the body is empty")
        value, _ = self._value(response)
        if value is None and self._optional:
            return None
        if self._optional:
            value = self._with_items(value)
        place = spelled_path(value, self._mapping.result or ())
        there, value = value_at_path(value, place)
        if not there or not is_object(value):
            raise UnusableError(f"not what is expected: no object but {json_type(value)}")
        self._place = place
        found = self._object(value)
        self._adapt()
        return found

    def _with_items(self, value: Any) -> Any:
        """Return a response with a list in the contract's form, if it is the bare list, or has it in ``data``."""
        if is_array(value):
            self._careful.record_drift("$", "type", "array")
            return {"items": value}
        if self._mapping.items is not None or not is_object(value):
            return value
        if self._is_one_result(value):
            self._careful.record_drift("$.items", "missing", "the result itself")
            return {"items": [value]}
        key = find_key(value, "data")
        if key is None or find_key(value, "items") is not None or not is_array(value[key]):
            return value
        self._careful.record_drift("$.items", "missing", "the rows stand in data")
        return {"items": value[key], **{name: part for name, part in value.items() if name != key}}

    def _is_one_result(self, value: dict[str, Any]) -> bool:
        """Return True for the response to a request for one item that is the item itself, not a list with it."""
        (items,) = (spec for spec in specs_of(self._struct) if spec.name == "items")
        required = [self._translation.wire_name(items.inner, spec) for spec in specs_of(items.inner) if spec.required]
        return all(find_key(value, name) is not None for name in required)

    def _object(self, members: dict[str, Any]) -> Any:
        try:
            return self._careful.read(self._struct, members)
        except MissingIdentityError as error:
            lacking = error
        if self._mapping.result is None:
            for name in _WRAPS:
                key = find_key(members, name)
                if key is not None and is_object(members[key]):
                    try:
                        found = self._careful.read(self._struct, members[key])
                    except MissingIdentityError:
                        continue
                    self._careful.record_drift("$", "type", f"an object inside {name}")
                    self._place = (key,)
                    return found
        raise UnusableError(f"not what is expected: {lacking}")


class DocumentReader(ObjectReader):
    """A reader of documents: their bytes, or JSON that contains them or names their address."""

    def read(self, response: Response, skip_bad_rows: bool) -> Document | str:  # noqa: ARG002, FBT001
        """Return the document, or the address to read it from."""
        try:
            return document_in(response, self._described)
        except UnusableDocumentError as reason:
            raise UnusableError(str(reason)) from None
        finally:
            self._report_drift()

    def _described(self, response: Response) -> DocumentAnswer | str:
        value, _ = self._value(unmarked(response))
        there, value = value_at_path(value, self._mapping.result or ())
        if there and isinstance(value, str):
            return value
        if not there or not is_object(value):
            raise UnusableError(f"not what is expected: no document but {json_type(value)}")
        return cast("DocumentAnswer", self._object(value))
