"""Limits that processes share through PostgreSQL: one row for each limit, in an unlogged table.

The function ``octoffm_lease`` is :func:`~octoffm_async.ratelimit.advance` in PL/pgSQL, by the server's
clock. One statement requests leases on many limits, in the order of their keys, so that two statements cannot
deadlock. After a crash of the server the table is empty, which :class:`~octoffm_async.LimitStore` allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ratelimit.shared import gcra as slots
from ...ratelimit.shared.gcra import LeaseReply
from ...ratelimit.shared.store import PROCESSES
from ...stores.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...config import Secret
    from ...ratelimit.shared.gcra import LeaseRequest

VERSION = 2
FORGET_EVERY = 300 * slots.SECOND
"""The interval, in microseconds, at which each process deletes expired rows."""

TABLE = """
CREATE UNLOGGED TABLE IF NOT EXISTS octoffm_limits (
    key text PRIMARY KEY,
    free_at bigint NOT NULL,
    epoch bigint NOT NULL,
    resumed bigint NOT NULL,
    mark bigint NOT NULL,
    asked_at bigint NOT NULL DEFAULT 0,
    slow_until bigint NOT NULL DEFAULT 0,
    paused_until bigint NOT NULL DEFAULT 0,
    blocked_at bigint NOT NULL DEFAULT 0,
    refused_at bigint NOT NULL DEFAULT 0,
    refused float8 NOT NULL DEFAULT 0,
    plateau float8 NOT NULL DEFAULT 0,
    used bigint NOT NULL DEFAULT 0,
    early bigint NOT NULL DEFAULT 0,
    longest float8 NOT NULL DEFAULT 0,
    throttlings bigint NOT NULL DEFAULT 0,
    marked bigint NOT NULL DEFAULT 0,
    flow float8 NOT NULL DEFAULT 0,
    kept_until bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5, autovacuum_vacuum_threshold = 1000)
"""

SCALE = f"""
CREATE OR REPLACE FUNCTION octoffm_scale(s octoffm_limits) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
    RETURN greatest({slots.SCALE}, least({slots.SCALE_CALLS} / s.plateau, {slots.SCALE_MOST}), s.longest / 2);
END $$
"""

PACE = f"""
CREATE OR REPLACE FUNCTION octoffm_pace(s octoffm_limits, moment bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    x float8;
    growth float8;
BEGIN
    IF s.plateau = 0 THEN RETURN 0; END IF;
    x := (moment - s.resumed) / 1e6::float8 / octoffm_scale(s) - 1;
    IF x <= 1 THEN
        growth := 1 + {slots.CUT}::float8 * power(x, 3);
    ELSE
        growth := (1 + {slots.CUT}::float8) * power(2::float8, least(60, {slots.GROWTH}::float8 * power(x - 1, 2)));
    END IF;
    RETURN ceil(1e6::float8 / least(s.plateau * growth, {slots.RATE_MOST}::float8));
END $$
"""

BLOCK = f"""
CREATE OR REPLACE FUNCTION octoffm_block(s octoffm_limits, apart bigint, tolerance bigint, moment bigint)
RETURNS octoffm_limits
LANGUAGE plpgsql AS $$
DECLARE
    step bigint := greatest(apart, octoffm_pace(s, moment));
    sent float8 := greatest(s.flow, (s.marked + 1) * 1e6::float8 / greatest(moment - s.mark, 100000));
BEGIN
    IF s.blocked_at = 0 THEN
        s.refused := CASE WHEN step > 0 THEN least(1e6::float8 / step, {slots.UNUSED} * sent) ELSE 0 END;
        s.blocked_at := moment;
        s.throttlings := CASE
            WHEN s.used >= {slots.STEADY} THEN 0
            WHEN s.used >= {slots.FLOWING} THEN least(s.throttlings, {slots.THROTTLINGS_KEPT})
            ELSE s.throttlings
        END;
    END IF;
    s.refused_at := moment;
    s.throttlings := s.throttlings + 1;
    s.epoch := s.epoch + 1;
    s.free_at := least(s.free_at, moment + {slots.FRESH} + tolerance + step);
    RETURN s;
END $$
"""

RESUME = f"""
CREATE OR REPLACE FUNCTION octoffm_resume(s octoffm_limits, apart bigint, moment bigint) RETURNS octoffm_limits
LANGUAGE plpgsql AS $$
DECLARE
    block float8 := (s.refused_at - s.blocked_at) / 1e6::float8;
    since float8 := (moment - s.resumed) / 1e6::float8;
    average float8 := s.used / greatest(since, 0.001);
    lasted float8 := (s.blocked_at - s.resumed) / 1e6::float8;
    found float8 := s.refused;
    soon boolean := false;
BEGIN
    IF s.plateau > 0 THEN
        soon := lasted < 1 OR (s.used < {slots.SCALE_CALLS} AND lasted < {slots.EARLY}::float8 * octoffm_scale(s));
    END IF;
    s.longest := greatest(s.longest * power({slots.BLOCK_MEMORY}::float8, since), block);
    IF s.refused = 0 THEN
        found := average;
    ELSIF s.longest >= {slots.LONG_BLOCK} THEN
        found := least(s.refused, greatest(average * {slots.TRUST}::float8, s.plateau * {slots.FALL}::float8));
    ELSIF soon THEN
        s.early := s.early + 1;
        found := s.refused * (1 - least(0.5::float8, {slots.CUT}::float8 * power(2::float8, s.early)));
    ELSE
        s.early := 0;
    END IF;
    s.plateau := least(greatest(found, {slots.RATE_LEAST}::float8), {slots.RATE_MOST}::float8);
    s.resumed := moment;
    s.used := 0;
    s.blocked_at := 0;
    s.epoch := s.epoch + 1;
    s.free_at := greatest(
        moment,
        least(s.free_at, s.refused_at + {slots.FRESH} + apart),
        s.free_at - greatest({slots.PROBE} - greatest(apart, octoffm_pace(s, moment)), 0)
    );
    RETURN s;
END $$
"""

LEASE = f"""
CREATE OR REPLACE FUNCTION octoffm_lease(
    name text, apart bigint, tolerance bigint, settle bigint, share bigint, want bigint, within bigint, known bigint,
    calls bigint, back_from bigint, back_to bigint, pausing bigint, was_refused boolean, was_accepted boolean,
    was_alone boolean, given bigint, OUT a_epoch bigint, OUT a_granted bigint, OUT a_start bigint, OUT a_step bigint,
    OUT a_floor bigint, OUT a_place bigint, OUT a_again bigint, OUT a_pause bigint, OUT a_blocked boolean,
    OUT a_pace bigint, OUT a_throttlings bigint, OUT a_free bigint, OUT a_now bigint
) LANGUAGE plpgsql AS $$
DECLARE
    s octoffm_limits;
    slow boolean;
BEGIN
    LOOP
        SELECT * INTO s FROM octoffm_limits l WHERE l.key = name FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO octoffm_limits (key, free_at, epoch, resumed, mark, kept_until)
        VALUES (name, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING;
    END LOOP;
    a_now := CASE WHEN given > 0 THEN given ELSE extract(epoch FROM clock_timestamp()) * 1000000 END;
    IF s.kept_until <= a_now THEN
        s := ROW(
            name, a_now, a_now, a_now, a_now, 0, CASE WHEN was_alone OR known > 0 THEN a_now + settle ELSE 0 END,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        );
    ELSIF was_alone AND a_now - s.asked_at > {slots.QUIET} THEN
        s.slow_until := a_now + settle;
    END IF;
    s.asked_at := a_now;
    IF a_now - s.mark >= {slots.MARK_EVERY} THEN
        s.flow := s.marked * 1e6::float8 / (a_now - s.mark);
        s.mark := a_now;
        s.marked := 0;
    END IF;
    s.used := s.used + calls;
    s.marked := s.marked + calls;
    IF known = s.epoch THEN
        IF back_to > 0 AND back_to = s.free_at THEN
            s.free_at := back_from;
        END IF;
        IF was_refused THEN
            s := octoffm_block(s, apart, tolerance, a_now);
        ELSIF was_accepted AND s.blocked_at > 0 THEN
            s := octoffm_resume(s, apart, a_now);
        END IF;
    END IF;
    IF pausing > 0 THEN
        s.paused_until := greatest(s.paused_until, a_now + pausing);
    END IF;

    a_pace := octoffm_pace(s, a_now);
    a_blocked := s.blocked_at > 0;
    a_step := greatest(apart, a_pace);
    slow := a_now < s.slow_until;
    IF slow THEN
        a_step := greatest(a_step, apart * share);
    END IF;
    IF a_blocked THEN
        a_step := greatest(a_step, {slots.PROBE});
        within := {slots.FRESH};
        want := least(want, 1);
    END IF;
    IF a_pace > 0 OR a_blocked OR slow THEN
        tolerance := 0;
    END IF;
    a_pause := greatest(s.paused_until - a_now, 0);
    a_floor := a_pause;
    a_place := greatest(a_now + a_pause, s.free_at);
    a_start := a_place - tolerance - a_now;
    a_granted := 0;
    a_again := 0;
    IF a_step > 0 AND want > 0 THEN
        a_granted := least(want, greatest(0, floor((within - greatest(a_start, a_pause))::float8 / a_step) + 1));
        IF a_granted > 0 THEN
            s.free_at := a_place + a_granted * a_step;
        ELSE
            a_again := greatest(a_start, a_pause) - CASE WHEN a_blocked THEN 0 ELSE within END;
        END IF;
    END IF;
    a_free := CASE WHEN a_step = 0 AND a_pause = 0 THEN {slots.FRESH} ELSE 0 END;
    a_epoch := s.epoch;
    a_throttlings := s.throttlings;
    UPDATE octoffm_limits l SET
        free_at = s.free_at, epoch = s.epoch, resumed = s.resumed, mark = s.mark, asked_at = s.asked_at,
        slow_until = s.slow_until, paused_until = s.paused_until, blocked_at = s.blocked_at,
        refused_at = s.refused_at, refused = s.refused,
        plateau = s.plateau, used = s.used, early = s.early, longest = s.longest, throttlings = s.throttlings,
        marked = s.marked, flow = s.flow,
        kept_until = greatest(s.free_at, s.paused_until)
            + CASE WHEN s.plateau > 0 OR a_blocked THEN {slots.KEPT_LEARNED} ELSE {slots.KEPT} END
    WHERE l.key = name;
END $$
"""  # noqa: S608  (only our own numbers are filled in)

STATEMENTS: tuple[Any, ...] = (TABLE, SCALE, PACE, BLOCK, RESUME, LEASE)

ASK = """
SELECT lease.* FROM unnest(
    %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[],
    %s::boolean[]
) WITH ORDINALITY AS a (k, i, t, s, h, w, n, e, u, f, b, p, r, c, o, place),
LATERAL octoffm_lease(k, i, t, s, h, w, n, e, u, f, b, p, r, c, o, %s) AS lease ORDER BY place
"""
FORGET = """
DELETE FROM octoffm_limits WHERE key IN (
    SELECT key FROM octoffm_limits WHERE kept_until < %s ORDER BY key LIMIT 1000 FOR UPDATE SKIP LOCKED
)
"""


class PostgresLimits:
    """A limit store in a PostgreSQL database, given by its address or as an open :class:`~...stores.database.Database`.

    ``processes`` is the maximum number of processes that share a limit: while the server is unreachable, each process
    continues with that fraction of it. Several clients of one event loop may share one object. Needs the extra
    ``cluster``.

    Raises:
        ConfigurationError: the address is not one of a PostgreSQL database.
    """

    def __init__(
        self,
        database: str | Secret | Database,
        *,
        processes: int = PROCESSES,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.processes = processes
        self._clock = clock
        self._database = database if isinstance(database, Database) else Database(database, size=1, wait=5.0)
        self._users = 0
        self._entered = False
        self._prepared = False
        self._forgot_at = 0

    def open(self) -> None:
        """Register one more client, on the running event loop."""
        self._users += 1

    async def close(self) -> None:
        """Unregister a client; the last one closes the connections to the database."""
        self._users -= 1
        if not self._users and self._entered:
            self._entered = self._prepared = False
            await self._database.__aexit__(None, None, None)

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        """Exchange requests for leases; see :class:`~octoffm_async.LimitStore`."""
        if not self._entered:
            await self._database.__aenter__()
            self._entered = True
        if not self._prepared:
            await self._database.prepare("limits", VERSION, STATEMENTS)
            self._prepared = True
        now = 0 if self._clock is None else int(self._clock() * slots.SECOND)
        order = sorted(range(len(requests)), key=lambda at: requests[at].key)
        columns: list[Any] = [list(column) for column in zip(*(requests[at] for at in order), strict=True)]
        async with self._database.connection() as connection:
            cursor = await connection.execute(ASK, [*columns, now])
            replies = dict(zip(order, map(LeaseReply._make, await cursor.fetchall()), strict=True))
            latest = replies[0].now
            if self._forgot_at and latest - self._forgot_at > FORGET_EVERY:
                await connection.execute(FORGET, [latest - slots.KEPT_LEARNED])
            if latest - self._forgot_at > FORGET_EVERY:
                self._forgot_at = latest
        return [replies[at] for at in range(len(requests))]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._database.name}>"
