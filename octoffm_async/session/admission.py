"""What an attempt waits for before it leaves: the circuit, a token, a slot and a permit.

A token is made ready *before* the permit of the limit is taken: a permit that waited for a token would leave late, in a
bunch with others, and break the limit's promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.operations import CREATE_TOKEN

if TYPE_CHECKING:
    from .circuit import Circuit
    from .journey import Journey
    from .tokens import Token, TokenSource

__all__ = ["Admission"]


class Admission:
    """Of one client account. An attempt that is let in holds a slot of its journey's gate."""

    def __init__(self, tokens: TokenSource, circuit: Circuit) -> None:
        self._tokens = tokens
        self._circuit = circuit

    def at_once(self, journey: Journey) -> Token | None:
        """As :meth:`wait`, if nothing has to be waited for: ``None`` if something has."""
        if journey.operation is CREATE_TOKEN or self._circuit.state != "closed":
            return None
        now = journey.clock()
        token = self._tokens.fresh(now)
        if token is None or (probe := journey.gate.enter_at_once(journey.lane, now)) is None:
            return None
        journey.gate_probe = probe
        return token

    async def wait(self, journey: Journey) -> Token | None:
        """Wait for the circuit, a token, a slot and a permit. On return the slot is held."""
        now, circuit = journey.clock, self._circuit
        gate, lane, until = journey.gate, journey.lane, journey.deadline
        again = False
        if journey.operation is CREATE_TOKEN:
            await self._tokens.permit()
            journey.gate_probe = await gate.enter(lane, now=now(), until=until)
            return None
        while True:
            if circuit.state != "closed" and not journey.circuit_probe:
                paused = journey.patient and gate.paused_until > now()  # a probe must not wait for its own key
                if not paused:
                    journey.circuit_probe = await circuit.enter(lane, until, probed=journey.probed)
            if self._tokens.fresh(now()) is None:
                await self._tokens.get()
            first = again or journey.circuit_probe
            journey.gate_probe = await gate.enter(lane, now=now(), until=until, first=first)
            held_back = circuit.state != "closed" and not journey.circuit_probe
            if not held_back and (token := self._tokens.usable(now())) is not None:
                return token
            gate.leave(probe=journey.gate_probe)  # the circuit opened, or the token ended, while the gate was awaited
            again = True
