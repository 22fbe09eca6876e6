"""What a client needs to know of a sandbox, whether it runs in this process or in its own."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from octoffm_async.config import Config


class SandboxFace(ABC):
    """A sandbox as its user sees it: a context manager that runs it, and the settings of a client for it."""

    client_id: str
    client_secret: str

    @property
    @abstractmethod
    def base_url(self) -> str:
        """URL that stands for ``https://api.octopia-io.net/seller/v2``."""

    @property
    @abstractmethod
    def token_url(self) -> str:
        """URL of the token endpoint."""

    @property
    @abstractmethod
    def seller_id(self) -> str:
        """The first seller, for whom clients act unless told otherwise."""

    @abstractmethod
    async def start(self) -> None:
        """Start serving."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop serving. What exists and what was counted stays readable."""

    async def __aenter__(self) -> Self:
        """Start, and stop again if that fails half-way."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def config(self, **overrides: Any) -> "Config":
        """A client's configuration for this sandbox, without a limit; ``overrides`` are fields of ``Config``."""
        from octoffm_async.config import Config  # the sandbox's server needs no client

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
        """The same as environment variables, for a program that reads them."""
        return {
            "OCTOFFM_CLIENT_ID": self.client_id,
            "OCTOFFM_CLIENT_SECRET": self.client_secret,
            "OCTOFFM_SELLER_ID": self.seller_id,
            "OCTOFFM_BASE_URL": self.base_url,
            "OCTOFFM_TOKEN_URL": self.token_url,
        }
