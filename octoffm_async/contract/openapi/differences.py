"""A difference between two OpenAPI descriptions of the API."""

from enum import StrEnum
from typing import Any, Literal

import msgspec

Direction = Literal["sent", "read"]


class DifferenceKind(StrEnum):
    """The kind of a difference. ``unknown``: they have it and we do not; ``absent``: we have it and they do not."""

    OPERATION_UNKNOWN = "operation-unknown"
    OPERATION_ABSENT = "operation-absent"
    PARAMETER_UNKNOWN = "parameter-unknown"
    PARAMETER_ABSENT = "parameter-absent"
    FIELD_UNKNOWN = "field-unknown"
    FIELD_ABSENT = "field-absent"
    TYPE = "type"
    REQUIRED = "required"
    NULLABLE = "nullable"
    VALUES_UNKNOWN = "values-unknown"
    VALUES_ABSENT = "values-absent"
    LIMIT = "limit"
    STATUS = "status"
    MEDIA_TYPE = "media-type"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A difference. ``tag`` is the source of our side: D documented, S seen, A assumed, or empty if there is none.

    ``harmless``: they accept our requests and we understand their responses in spite of it.
    """

    operation: str
    place: str
    kind: DifferenceKind
    ours: Any
    theirs: Any
    tag: str
    harmless: bool
    sentence: str
