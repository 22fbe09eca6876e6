"""One thing that two descriptions of the API say differently."""

from enum import StrEnum
from typing import Any, Literal

import msgspec

Direction = Literal["sent", "read"]


class Kind(StrEnum):
    """What differs. ``unknown``: they have it and we do not; ``absent``: we have it and they do not."""

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
    """A difference. ``tag`` tells how sure our side is: D documented, S seen, A assumed; empty where we say nothing.

    ``harmless``: what we send is taken and what they answer is understood all the same.
    """

    operation: str
    place: str
    kind: Kind
    ours: Any
    theirs: Any
    tag: str
    harmless: bool
    sentence: str
