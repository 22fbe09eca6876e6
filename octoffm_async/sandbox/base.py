"""The base class of sandboxes, in this process or in another: addresses, credentials, start and stop."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from octoffm_async.errors import ClosedError

from .control.verbs import CONTROL_PATH

if TYPE_CHECKING:
    from octoffm_async.config import Config


class Addresses(msgspec.Struct, frozen=True):
    """The URLs of a sandbox."""

    base_url: str
    token_url: str
    control_url: str


class ClientSettings(ABC):
    """The addresses and credentials of a sandbox, and the configuration of a client for it."""

    client_id: str
    client_secret: str

    @property
    @abstractmethod
    def seller_id(self) -> str:
        """The first seller, the default of clients."""

    @property
    @abstractmethod
    def _addresses(self) -> Addresses:
        """The addresses; ``RuntimeError`` before the first start."""

    @property
    def base_url(self) -> str:
        """URL that stands for ``https://api.octopia-io.net/seller/v2``."""
        return self._addresses.base_url

    @property
    def token_url(self) -> str:
        """URL of the token endpoint."""
        return self._addresses.token_url

    @property
    def control_url(self) -> str:
        """URL of the control routes, for programs in other processes."""
        return self._addresses.control_url

    @property
    def page_url(self) -> str:
        """URL of the live page, for a browser on this machine."""
        return self.control_url.removesuffix(CONTROL_PATH) + "/"

    def config(self, **overrides: Any) -> "Config":
        """Return a client's configuration for this sandbox, without a limit; ``overrides`` are fields of ``Config``."""
        from octoffm_async.config import Config

        fields: dict[str, Any] = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "seller_id": self.seller_id,
            "base_url": self.base_url,
            "token_url": self.token_url,
            "limit": None,
        }
        return Config(**{**fields, **overrides})

    def environment(self) -> dict[str, str]:
        """Return the same settings as environment variables, for a program that reads them."""
        return {
            "OCTOFFM_CLIENT_ID": self.client_id,
            "OCTOFFM_CLIENT_SECRET": self.client_secret,
            "OCTOFFM_SELLER_ID": self.seller_id,
            "OCTOFFM_BASE_URL": self.base_url,
            "OCTOFFM_TOKEN_URL": self.token_url,
        }


class BaseSandbox(ClientSettings):
    """A sandbox as an asynchronous context manager, with the settings of a client for it."""

    @abstractmethod
    async def start(self) -> None:
        """Start serving."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop serving. All rows and counters stay readable."""

    async def __aenter__(self) -> Self:
        """Start the sandbox; stop it again if the start fails half-way."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the sandbox."""
        try:
            await self.stop()
        except ClosedError:  # of a fork within the block: an exit of the child must remain an exit
            if error is None:
                raise
