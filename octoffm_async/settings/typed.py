"""The settings as keyword arguments, for type checkers; the source of ``Config`` describes each."""

# The annotations are read at run time, to turn text into values: no `from __future__ import annotations` here.

import os
from collections.abc import Mapping
from typing import TypedDict

from ..contract.contract_file.model import ContractFile
from ..contract.operations import Group
from .values import Limit, Secret


class SettingsWithoutStore(TypedDict, total=False):
    """All settings but ``store``, which the client takes itself."""

    client_id: str
    client_secret: Secret | str
    seller_id: str
    base_url: str
    token_url: str
    sales_channel_id: str | None
    processes: int
    token_file: str | os.PathLike[str] | None
    contract: ContractFile | str | os.PathLike[str] | None
    deadline: float
    bulk_deadline: float
    connect_timeout: float
    read_timeout: float
    max_attempts: int
    backoff_base: float
    backoff_cap: float
    throttle_base: float
    max_retry_after: float
    retry_budget: int
    limit: Limit | None
    limits: Mapping[Group | str, Limit | None]
    limit_jitter: float
    max_in_flight: int
    max_waiting: int
    bulk_share: float
    max_connections: int
    keepalive: float
    max_answer_bytes: int
    allow_insecure_http: bool
    trust_env: bool
    proxy: Secret | str | None
    ca_file: str | os.PathLike[str] | None
    client_certificate: str | os.PathLike[str] | None
    client_key: str | os.PathLike[str] | None
    app_info: str | None
    headers: Mapping[str, str]


class Settings(SettingsWithoutStore, total=False):
    """All settings of ``Config``, as keyword arguments."""

    store: Secret | str | os.PathLike[str] | None
