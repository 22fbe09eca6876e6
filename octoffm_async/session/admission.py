"""Admission of an attempt: it waits for the circuit, a token, a slot in flight and a permit of the rate limit.

The token is obtained *before* the permit: a request whose permit was taken before a wait for the token would be sent
late, together with others, and break the limit's guarantee.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.operations import CREATE_TOKEN

if TYPE_CHECKING:
    from ..auth.source import Token, TokenSource
    from .call import CallState
    from .retry.circuit_breaker import Circuit

__all__ = ["Admission"]


class Admission:
    """The admission of one client account. An admitted attempt holds a slot of its call's limiter."""

    def __init__(self, tokens: TokenSource, circuit: Circuit) -> None:
        self._tokens = tokens
        self._circuit = circuit

    def at_once(self, journey: CallState) -> Token | None:
        """Admit a call without waiting, as :meth:`wait` does; None if the call would have to wait."""
        if journey.operation is CREATE_TOKEN or self._circuit.state != "closed":
            return None
        now = journey.clock()
        token = self._tokens.fresh(now)
        if token is None or (probe := journey.limiter.try_acquire(journey.lane, now)) is None:
            return None
        journey.gate_probe = probe
        return token

    async def wait(self, journey: CallState) -> Token | None:
        """Wait for the circuit, a token, a slot and a permit. On return the call holds the slot."""
        now, circuit = journey.clock, self._circuit
        gate, lane, until = journey.limiter, journey.lane, journey.deadline
        again = False
        if journey.operation is CREATE_TOKEN:
            await self._tokens.permit()
            journey.gate_probe = await gate.acquire(lane, now=now(), until=until)
            return None
        while True:
            if circuit.state != "closed" and not journey.circuit_probe:
                paused = journey.waits_out_outage and gate.paused_until > now()  # a probe must not wait for its own key
                if not paused:
                    journey.circuit_probe = await circuit.enter(lane, until, probed=journey.probed)
            if self._tokens.fresh(now()) is None:
                await self._tokens.get()
            first = again or journey.circuit_probe
            journey.gate_probe = await gate.acquire(lane, now=now(), until=until, first=first)
            held_back = circuit.state != "closed" and not journey.circuit_probe
            if not held_back and (token := self._tokens.usable(now())) is not None:
                return token
            gate.release(probe=journey.gate_probe)  # the circuit opened, or the token expired, meanwhile
            again = True
