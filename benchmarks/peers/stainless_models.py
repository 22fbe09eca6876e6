"""Models as generated SDKs of the Stainless kind build them: pydantic classes, filled field by field.

A sketch of the same steps, written for this comparison: models are built lazily, responses are not validated, unions
are tried by validation first, and unknown fields are kept.
"""
# pyright: basic, reportMissingImports=false

import inspect
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import UnionType
from typing import Any, Optional, Union, get_args, get_origin

import pydantic
from pydantic import ConfigDict, Field, TypeAdapter


class BaseModel(pydantic.BaseModel):
    """A model whose ``construct`` recurses into nested models and lists."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    @classmethod
    def construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Any:
        """Return a model of these values, unvalidated."""
        model = cls.__new__(cls)
        filled: dict[str, Any] = {}
        by_name = cls.model_config.get("populate_by_name")
        known = cls.model_fields
        given = set() if _fields_set is None else _fields_set
        for name, field in known.items():
            key = field.alias
            if key is None or (key not in values and by_name):
                key = name
            if key in values:
                filled[name] = _construct_field(values[key], field)
                given.add(name)
            else:
                filled[name] = field.get_default(call_default_factory=True)
        extra = {key: value for key, value in values.items() if key not in known}
        object.__setattr__(model, "__dict__", filled)
        object.__setattr__(model, "__pydantic_private__", None)
        object.__setattr__(model, "__pydantic_extra__", extra)
        object.__setattr__(model, "__pydantic_fields_set__", given)
        return model


def _construct_field(value: Any, field: Any) -> Any:
    if value is None:
        return field.get_default(call_default_factory=True)
    return construct_type(value, field.annotation)


def construct_type(value: Any, wanted: Any) -> Any:
    """Convert ``value`` to the wanted type, as far as that is possible without an error."""
    origin = get_origin(wanted) or wanted
    arguments = get_args(wanted)
    if origin in (Union, UnionType):
        return _construct_union(value, wanted, arguments)
    if origin is dict and isinstance(value, Mapping):
        return {key: construct_type(item, arguments[1]) for key, item in value.items()}
    if inspect.isclass(origin) and issubclass(origin, BaseModel):
        if isinstance(value, list):
            return [origin.construct(**entry) if isinstance(entry, Mapping) else entry for entry in value]
        return origin.construct(**value) if isinstance(value, Mapping) else value
    if origin is list:
        return [construct_type(entry, arguments[0]) for entry in value] if isinstance(value, list) else value
    if origin is datetime:
        try:
            return datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return value
    return value


def _construct_union(value: Any, wanted: Any, variants: tuple[Any, ...]) -> Any:
    try:
        return _adapter(wanted).validate_python(value)
    except pydantic.ValidationError:
        pass
    for variant in variants:
        try:
            return construct_type(value, variant)
        except Exception:  # noqa: BLE001, S112  (as these SDKs do: the next variant may fit)
            continue
    raise RuntimeError(f"no variant of {wanted} fits")


@lru_cache(maxsize=4096)
def _adapter(wanted: Any) -> TypeAdapter[Any]:
    return TypeAdapter(wanted)


class Created(BaseModel):
    """The response to a creation."""

    outbound_shipment_id: str = Field(alias="outboundShipmentId")


class Quantities(BaseModel):
    """Quantities by type."""

    available: int = Field(alias="Available")
    allocated: int = Field(alias="Allocated")
    blocked: int = Field(alias="Blocked")
    litigation: int = Field(alias="Litigation")
    removal: int = Field(alias="Removal")
    return_: int = Field(alias="Return")
    logistic_operations: int = Field(alias="LogisticOperations")


class Localization(BaseModel):
    """The part of a stock in one country."""

    storage_country: str = Field(alias="storageCountry")
    quantities: Quantities
    updated_at: Optional[datetime] = Field(alias="updatedAt", default=None)  # noqa: UP045  (as they are generated)
    update_reason: Optional[str] = Field(alias="updateReason", default=None)  # noqa: UP045


class Stock(BaseModel):
    """The stock of one product."""

    id: str
    product_id: str = Field(alias="productId")
    quantities: Quantities
    localizations: list[Localization]
    product_state: Optional[str] = Field(alias="productState", default=None)  # noqa: UP045
    product_condition: Optional[str] = Field(alias="productCondition", default=None)  # noqa: UP045
    gtin: Optional[str] = None  # noqa: UP045
    updated_at: Optional[datetime] = Field(alias="updatedAt", default=None)  # noqa: UP045


class Page(BaseModel):
    """One page of stocks."""

    items_per_page: Optional[int] = Field(alias="itemsPerPage", default=None)  # noqa: UP045
    items: list[Stock]
