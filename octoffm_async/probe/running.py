"""The run of a probe: makes the calls of the table, one after the other, until it is done or must stop."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from ..config import Secret
from ..errors import NotAnsweredError, UnusableAnswerError
from ..version import __version__
from .calls import CALLS, KINDS, TOKEN_SHOWN, WRONG_SECRET_SHOWN, ProbeCall
from .known import ProbeValues
from .records import CallRecord, Probe, read_answer
from .sending import Sender, why_not_answered
from .words import Censor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..config import Config
    from ..transport.response import Response
    from .sending import ProbeClock

NO_ANSWER_MOST = 2
"""Calls in a row without an answer, after which the API counts as unreachable."""
FAILURES_MOST = 3
"""Answers of 5xx in a row, after which the API counts as down."""
LONGEST_LIFE = 10_000_000
"""The longest life of a token, in seconds, that the probe accepts."""

_TOKEN = re.compile(r"[!-~]+")

REFUSED = "the token endpoint refused the credentials"


class Prober:
    """The run of one probe. ``probe`` is the record so far; only :meth:`run` changes it.

    ``on_progress`` is called with the record after each call and at the end, so that the caller can write it to a file.
    """

    def __init__(
        self,
        config: Config,
        *,
        wrong_secret: bool = False,
        clock: ProbeClock | None = None,
        on_progress: Callable[[Probe], None] = lambda _probe: None,
    ) -> None:
        self.probe: Probe = Probe(version=__version__, started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"))
        self.known: ProbeValues = ProbeValues()
        self._config = config
        self._wrong_secret = wrong_secret
        self._sender = Sender(config, clock=clock)
        secrets = (config.secret.reveal(), config.client_id, config.seller_id)
        self._secrets = {secret for secret in secrets if secret}
        self._censor = Censor(self._secrets)
        self._on_progress = on_progress
        self._silent = 0
        self._failed = 0

    @property
    def secrets(self) -> frozenset[str]:
        """The texts that no file may contain: the secret, the token and the account's ids."""
        return frozenset(self._secrets)

    async def run(self) -> Probe:
        """Make all calls that can be made.

        At any end, ``probe.ended`` has the reason and ``on_progress`` has been called.
        """
        probe = self.probe
        try:
            async with self._sender:
                if await self._get_token():
                    await self._go_through()
            probe.done = not probe.ended
            probe.ended = probe.ended or "all calls were made"
        finally:
            probe.ended = probe.ended or "it was interrupted"
            self._on_progress(probe)
        return probe

    async def _get_token(self) -> bool:
        """Get a token, and with ``wrong_secret`` the body of a refusal (step 1); return False if the probe must end."""
        kept = CallRecord(step=1, name="token", call=TOKEN_SHOWN, settles="the token's life", operation="token.create")
        _, body = await self._exchange(kept, self._sender.token(secret=self._config.secret))
        answer = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        token = answer.get("access_token")
        if isinstance(token, str) and token:
            self._secrets.add(token)
        if kept.good and isinstance(token, str) and _TOKEN.fullmatch(token):
            self.probe.facts["token_seconds"] = _life(answer.get("expires_in"))
            self._sender.use(Secret(token))
        elif kept.status in (400, 401):
            self.probe.ended = REFUSED
        else:
            self.probe.ended = self.probe.ended or f"no token: {kept.came}"
        self._on_progress(self.probe)
        if self.probe.ended or not self._wrong_secret:
            return not self.probe.ended
        wrong = CallRecord(step=1, name="token.wrong", call=WRONG_SECRET_SHOWN, settles="the body of a refusal")
        await self._exchange(wrong, self._sender.token(secret=Secret("wrong-secret-of-a-probe")))
        self._on_progress(self.probe)
        return not self.probe.ended

    async def _go_through(self) -> None:
        for call in CALLS:
            await self._make(call)
            self._on_progress(self.probe)
            if self.probe.ended:
                return

    async def _make(self, call: ProbeCall) -> None:
        """Make one call if its required values are known; else record it as skipped."""
        operation = "" if call.operation is None else call.operation.name
        kept = CallRecord(step=call.step, name=call.name, call=call.shown, settles=call.settles, operation=operation)
        if missing := [KINDS[name] for name in call.wants if name not in self.known.texts]:
            kept.outcome, kept.why = "skipped", f"not seen: {', '.join(missing)}"
            self.probe.calls.append(kept)
            return
        seller = self._config.seller_id
        who = {"own": seller, "none": None, "other": "2" if seller == "1" else "1"}[call.who]
        response, body = await self._exchange(kept, self._sender.get(call.target(self.known.texts), seller_id=who))
        if response is not None:
            self.known.learn(kept, response, body)
        if kept.status == 401 and not call.odd:
            self.probe.ended = "the API refused the new token (401)"

    async def _exchange(self, kept: CallRecord, sending: Awaitable[Response]) -> tuple[Response | None, object]:
        """Await one answer and record its shape; end the probe if it must not continue."""
        self.probe.calls.append(kept)
        try:
            response = await sending
        except NotAnsweredError as error:
            kept.why = why_not_answered(error)
            self._silent += 1
            if self._silent >= NO_ANSWER_MOST:
                self.probe.ended = f"{self._silent} calls in a row were not answered: {kept.why}"
            return None, None
        except UnusableAnswerError as error:
            kept.why, kept.status, kept.body = why_not_answered(error), error.status, "too large"
            return None, None
        kept.why = ""
        self._silent = 0
        body = read_answer(kept, response, self._censor)
        self._failed = self._failed + 1 if response.status >= 500 else 0
        if response.status == 429:
            self.probe.ended = "the API throttled the probe (429)"
        elif self._failed >= FAILURES_MOST:
            self.probe.ended = f"{self._failed} answers in a row were failures of the API (5xx)"
        return response, body


def _life(seconds: object) -> str:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_LIFE:
        return "not given"
    return str(round(seconds))
