"""Admission of an attempt: it waits for the circuit, a token, a slot in flight and a permit of the rate limit.

The token is obtained *before* the permit: a request whose permit was taken before a wait for the token would be sent
late, together with others, and break the limit's guarantee.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.operations import CREATE_TOKEN
from ..errors import UnusableAnswerError

if TYPE_CHECKING:
    from ..auth.source import Token, TokenSource
    from .call import CallState
    from .retry.circuit_breaker import Circuit

__all__ = ["Admission"]

EXPIRED_MOST = 10
"""Tokens that may end while one call waits for its permit."""


class Admission:
    """The admission of one client account. An admitted attempt holds a slot of its call's limiter."""

    def __init__(self, tokens: TokenSource, circuit: Circuit) -> None:
        self._tokens = tokens
        self._circuit = circuit

    def at_once(self, call: CallState, now: float) -> Token | None:
        """Admit a call without waiting, as :meth:`wait` does; None if the call would have to wait."""
        if call.operation is CREATE_TOKEN or self._circuit.state != "closed":
            return None
        token = self._tokens.fresh(now)
        if token is None or (probe := call.limiter.try_acquire(call.lane, now)) is None:
            return None
        call.limiter_probe = probe
        return token

    async def wait(self, call: CallState) -> Token | None:
        """Wait for the circuit, a token, a slot and a permit. On return the call holds the slot."""
        now, circuit = call.clock, self._circuit
        limiter, lane, until = call.limiter, call.lane, call.deadline
        is_repeated, expired = False, 0
        if call.operation is CREATE_TOKEN:
            await self._tokens.permit()
            call.limiter_probe = await limiter.acquire(lane, now=now(), until=until)
            return None
        while True:
            if circuit.state != "closed" and not call.circuit_probe:
                paused = call.waits_out_outage and limiter.paused_until > now()  # a probe must not wait for its own key
                if not paused:
                    call.circuit_probe = await circuit.enter(lane, until, probed=call.probed)
            if self._tokens.fresh(now()) is None:
                await self._tokens.get()
            first = is_repeated or call.circuit_probe
            call.limiter_probe = await limiter.acquire(lane, now=now(), until=until, first=first)
            held_back = circuit.state != "closed" and not call.circuit_probe
            if not held_back and (token := self._tokens.usable(now())) is not None:
                return token
            limiter.release(probe=call.limiter_probe)  # the circuit opened, or the token expired, meanwhile
            is_repeated = True
            expired += not held_back
            if expired >= EXPIRED_MOST:
                raise UnusableAnswerError(
                    f"not sent: the lives (expires_in) of {expired} tokens ended while the call waited for its limit"
                )
