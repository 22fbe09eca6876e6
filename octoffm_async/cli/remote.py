"""Options and set-up of every command that calls the API: credentials, seller, form of the output."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..client import FulfillmentClient
from .contract.drift_option import drift_path, recording_drift
from .options import calling_options, environment, with_options
from .runtime import check_stdout, run_async
from .settings.reading import read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from ..config import Config


@dataclass(frozen=True, kw_only=True)
class Remote:
    """An open client; ``as_json`` is True if the output is JSON."""

    client: FulfillmentClient
    config: Config
    as_json: bool


def remote_command(command: Callable[..., Coroutine[Any, Any, int]]) -> Callable[..., int]:
    """Give a command an open client: it becomes a plain function with the options that all such commands have.

    ``command`` receives a :class:`Remote` first, then its own parameters; it returns the exit code.
    """

    @functools.wraps(command)
    def made(
        *arguments: Any,
        seller: str | None,
        env_file: Path | None,
        timeout: float | None,
        proxies: bool,
        contract: Path | None,
        drift: Path | None,
        as_json: bool,
        **own: Any,
    ) -> int:
        config = read_config(
            env_file,
            seller_id=seller,
            deadline=timeout,
            bulk_deadline=timeout,
            trust_env=proxies or None,
            contract=contract,
        )
        check_stdout()

        with recording_drift(drift_path(drift, environment(env_file))) as noticed:

            async def work() -> int:
                async with FulfillmentClient(config, hooks=[noticed]) as client:
                    return await command(Remote(client=client, config=config, as_json=as_json), *arguments, **own)

            return run_async(work())

    return with_options(*calling_options(60))(made)
