"""Attributes by OpenTelemetry's semantic conventions for HTTP clients."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ..contract.operations import CREATE_TOKEN, OPERATIONS

Attributes = dict[str, str | int | float | bool]
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the conventions that names and values follow."""
_NAMES: Final = frozenset(operation.name for operation in (CREATE_TOKEN, *OPERATIONS))


def operation_name(operation: str) -> str:
    """Return the name of an operation; ``request`` for one that is not modelled, since paths are not bounded."""
    return operation if operation in _NAMES else "request"


@lru_cache(maxsize=256)
def request_attributes(method: str, server: str, scheme: str = "", template: str = "") -> Attributes:
    """Return the attributes of all requests of one kind to one server; they must not be changed."""
    host, _, port = server.rpartition(":")
    found: Attributes = {"http.request.method": method, "server.address": host.strip("[]"), "server.port": int(port)}
    if scheme:
        found["url.scheme"] = scheme
    return found | {"url.template": template} if template else found


def error_type(status: int, error: str) -> str:
    """Return the conventional type of an attempt's error: the status if there was a response, empty if it was none."""
    return str(status) if status >= 400 else error
