"""A fence is asked right before the bytes of an attempt leave, and what it refuses does not leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from octoffm_async import FencedError, FulfillmentClient
from octoffm_async.contract.operations import CREATE_OUTBOUND
from octoffm_async.resources.outbound import Outbound
from octoffm_async.sandbox import Fault, Sandbox
from octoffm_async.session.options import DEFAULTS
from octoffm_async.session.seller_session import SellerSession
from octoffm_async.session.session import Session
from octoffm_async.transport.aiohttp_transport import AiohttpTransport
from tests.support.items import order


class CountingFence:
    """A fence that lets so many pass, and notes when it is asked."""

    def __init__(self, lets: int, asked: Callable[[], None] = lambda: None) -> None:
        self.left = lets
        self.asked = asked
        self.times = 0
        self.later = 0
        """How many it lets pass once it was waited for."""

    def check(self) -> None:
        self.times += 1
        self.asked()
        if not self.left:
            raise FencedError("over")
        self.left -= 1

    async def recovers(self) -> bool:
        self.left, self.later = self.later, 0
        return self.left > 0


async def create(session: Session, fence: CountingFence, reference: str = "O-1") -> str:
    scope = SellerSession(session, session.config.seller_id or "", DEFAULTS.changed(fence=fence))
    order_id, _ = await scope.call(CREATE_OUTBOUND, body=order(reference))
    return order_id


def own_session(sandbox: Sandbox, *, plain: bool) -> AiohttpTransport:
    """A transport that goes past ``ClientSession``, or through it."""
    config = sandbox.config()
    return AiohttpTransport(config, session=None if plain else aiohttp.ClientSession())


@pytest.mark.parametrize("plain", [True, False])
async def test_what_a_fence_lets_pass_leaves_and_what_it_refuses_does_not(plain: bool) -> None:
    async with Sandbox(speed=0) as sandbox:
        transport = own_session(sandbox, plain=plain)
        async with FulfillmentClient(sandbox.config(), transport=transport) as client:
            await client.check()
            fence = CountingFence(2)  # one look before a connection is waited for, one right before the bytes
            assert await create(client._scope.session, fence)
            assert fence.times == 2
            for lets in (0, 1):
                refusing = CountingFence(lets)
                with pytest.raises(FencedError, match="over"):
                    await create(client._scope.session, refusing, "O-2")
                assert refusing.times == lets + 1
            await asyncio.sleep(0.05)
            assert sandbox.effects.outbound == {"O-1": 1}
            assert sandbox.requests.count("outbound.create") == 1
            assert await create(client._scope.session, CountingFence(2), "O-3")  # the pool is as good as before
        if not plain:
            assert transport._session is not None
            await transport._session.close()


@pytest.mark.parametrize("lets", [0, 1])
async def test_a_creation_waits_for_a_fence_that_recovers_and_a_read_asks_none(lets: int) -> None:
    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.check()
        fence = CountingFence(lets)
        fence.later = 2
        assert await create(client._scope.session, fence)
        assert fence.times == lets + 1 + 2
        scope = SellerSession(client._scope.session, "12345", DEFAULTS.changed(fence=CountingFence(0)))
        await Outbound(scope).list().collect()
        assert sandbox.effects.outbound == {"O-1": 1}


async def test_it_is_asked_when_the_connection_is_there_not_before() -> None:
    async with Sandbox(speed=0) as sandbox:
        config = sandbox.config()
        async with FulfillmentClient(config, transport=AiohttpTransport(config)) as client:
            await client.check()
            transport = client._scope.session._transport
            assert isinstance(transport, AiohttpTransport)
            assert transport._wire is not None
            with transport._wire.pool.giving_back():  # none stands ready
                connector = transport._wire.pool._connector
            real, events = connector.connect, []

            async def connect(*args: object, **options: object) -> object:
                connection = await real(*args, **options)  # type: ignore[arg-type]
                events.append("connected")
                return connection

            connector.connect = connect  # type: ignore[method-assign,assignment]
            await create(client._scope.session, CountingFence(2, lambda: events.append("asked")))
            assert events == ["asked", "connected", "asked"]


async def test_every_attempt_is_asked_for_anew() -> None:
    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.check()
        sandbox.faults.next(Fault.THROTTLE, operation="outbound.create", value=0.05)
        fence = CountingFence(2)
        with pytest.raises(FencedError):
            await create(client._scope.session, fence)
        assert fence.times == 3
        assert sandbox.effects.outbound == {}


async def test_a_transport_that_knows_no_fences_is_asked_for_right_before_it() -> None:
    class Other(AiohttpTransport):
        async def send(self, method, url, headers, body, read_timeout):  # type: ignore[no-untyped-def,override]
            return await super().send(method, url, headers, body, read_timeout)

    async with Sandbox(speed=0) as sandbox:
        config = sandbox.config()
        async with FulfillmentClient(config, transport=Other(config)) as client:
            await client.check()
            assert await create(client._scope.session, CountingFence(1))
            with pytest.raises(FencedError):
                await create(client._scope.session, CountingFence(0), "O-2")
        assert sandbox.effects.outbound == {"O-1": 1}
