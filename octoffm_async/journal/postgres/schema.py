"""The journal's tables in PostgreSQL, and the functions that change them: each call is one transaction by itself.

So a process that stops in the middle of a call holds no lock: the server carries out the whole call or nothing of it.

- ``entries`` has one row for each item. ``holder`` is the writer that works on the item while it is undecided; NULL if
  none does. ``left_by`` is the latest time at which its request was sent, if known. In a decided row ``holder`` names a
  writer that held the item when another writer decided it: the functions ignore what that writer still reports of it.
- ``payloads`` has a row for each entry that is not created or refused; the queries find undecided items by it.
- ``writers`` are the processes that write, each with its lease. A writer that is ``dead`` stays dead.
- ``waves`` has the number of each writer's last write batch: a batch that is repeated because its answer was lost, or
  that arrives late over an abandoned connection, changes nothing.
- ``environments`` has the API and account to which each seller's part belongs.
- ``api_at`` of an entry is the time of the API's own clock before the request, if known; ``absences`` counts how often
  the item was declared absent, weighted.
- ``counts`` has the number of items of each run in each state, as sums over each writer's changes, so that writers do
  not wait for each other.

Text is stored as bytes, because PostgreSQL's text cannot hold a zero byte or half a surrogate pair. The functions lock
rows in the order of scopes and keys, so that they cannot deadlock. All other times are the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

__all__ = ["ADD_TO_COUNTS", "FENCED", "ILLEGAL", "PART", "STATEMENTS", "VERSION"]

PART = "journal"
VERSION = 4
FENCED = "OF001"
"""The SQLSTATE of a call by a writer without a valid lease."""
ILLEGAL = "OF002"
"""The SQLSTATE of an item that may not be sent; the detail holds its key in hexadecimal, and its state."""

_TABLES: tuple[LiteralString, ...] = (
    """CREATE TABLE IF NOT EXISTS octoffm_journal_scopes (
        scope_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seller bytea NOT NULL, operation bytea NOT NULL,
        UNIQUE (seller, operation))""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_runs (
        run_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, scope_id int NOT NULL,
        source bytea NOT NULL, started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz)""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_counts (
        run_id int, writer_id bigint, pending bigint NOT NULL DEFAULT 0, sent bigint NOT NULL DEFAULT 0,
        created bigint NOT NULL DEFAULT 0, refused bigint NOT NULL DEFAULT 0, failed bigint NOT NULL DEFAULT 0,
        unknown bigint NOT NULL DEFAULT 0, PRIMARY KEY (run_id, writer_id)) WITH (fillfactor = 50)""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_writers (
        writer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, machine text NOT NULL, pid int NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(), expires_at timestamptz NOT NULL,
        dead boolean NOT NULL DEFAULT false) WITH (fillfactor = 50)""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_waves (
        writer_id bigint PRIMARY KEY, wave bigint NOT NULL) WITH (fillfactor = 50)""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_entries (
        sent_at timestamptz NOT NULL, changed_at timestamptz NOT NULL, scope_id int NOT NULL, run_id int NOT NULL,
        state smallint NOT NULL, payload_hash bytea NOT NULL, key bytea NOT NULL, remote_id bytea, code bytea,
        message bytea, followed bytea, holder bigint, left_by timestamptz,
        PRIMARY KEY (scope_id, key)) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_payloads (
        scope_id int NOT NULL, key bytea NOT NULL, payload bytea NOT NULL,
        PRIMARY KEY (scope_id, key)) WITH (
            autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000)""",
    """CREATE TABLE IF NOT EXISTS octoffm_journal_environments (
        seller bytea PRIMARY KEY, api bytea NOT NULL, account text NOT NULL)""",
)

_CLOCKS: tuple[LiteralString, ...] = (
    "ALTER TABLE octoffm_journal_entries ADD COLUMN IF NOT EXISTS api_at timestamptz",
    "ALTER TABLE octoffm_journal_entries ADD COLUMN IF NOT EXISTS absences smallint NOT NULL DEFAULT 0",
)

_WAVE: LiteralString = """
CREATE OR REPLACE FUNCTION octoffm_journal_wave(the_writer bigint, the_wave bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
-- Return true if this batch is not yet applied, and lock the writer's row: its batches are applied one at a time.
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the journal needs transactions that are "read committed"';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    UPDATE octoffm_journal_waves SET wave = the_wave WHERE writer_id = the_writer AND wave < the_wave;
    IF FOUND THEN
        RETURN true;
    END IF;
    PERFORM 1 FROM octoffm_journal_waves WHERE writer_id = the_writer;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such writer' USING ERRCODE = 'OF001';
    END IF;
    RETURN false;
END $$"""

_ALIVE: LiteralString = """
CREATE OR REPLACE FUNCTION octoffm_journal_alive(the_writer bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM octoffm_journal_writers
        WHERE writer_id = the_writer AND NOT dead AND expires_at > clock_timestamp();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease is over' USING ERRCODE = 'OF001';
    END IF;
END $$"""

ADD_TO_COUNTS: LiteralString = """ON CONFLICT (run_id, writer_id) DO UPDATE SET
    pending = c.pending + excluded.pending, sent = c.sent + excluded.sent,
    created = c.created + excluded.created, refused = c.refused + excluded.refused,
    failed = c.failed + excluded.failed, unknown = c.unknown + excluded.unknown"""
"""The end of each statement that inserts sums into ``counts AS c``; a state that it does not name has the sum 0."""

_COUNT: LiteralString = f"""
CREATE OR REPLACE FUNCTION octoffm_journal_count(
    the_writer bigint, the_runs int[], the_states smallint[], the_sums bigint[]) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO octoffm_journal_counts AS c (run_id, writer_id, pending, sent, created, refused, failed, unknown)
    SELECT run, the_writer,
        coalesce(sum(n) FILTER (WHERE state = 0), 0), coalesce(sum(n) FILTER (WHERE state = 1), 0),
        coalesce(sum(n) FILTER (WHERE state = 2), 0), coalesce(sum(n) FILTER (WHERE state = 3), 0),
        coalesce(sum(n) FILTER (WHERE state = 4), 0), coalesce(sum(n) FILTER (WHERE state = 5), 0)
    FROM unnest(the_runs, the_states, the_sums) AS given (run, state, n) GROUP BY run ORDER BY run
    {ADD_TO_COUNTS}
$$"""  # noqa: S608  (constants)

_SENT: LiteralString = """
CREATE OR REPLACE FUNCTION octoffm_journal_sent(
    the_writer bigint, the_wave bigint, the_scope int, runs int[], keys bytea[], hashes bytea[], payloads bytea[],
    clocks timestamptz[])
RETURNS void LANGUAGE plpgsql AS $$
-- Mark items of one scope, each named once, as sent by this writer: all or none.
DECLARE
    stamp timestamptz;
    was record;
    fresh int := 0;
    there bytea[] := '{}';
    old_runs int[] := '{}';
    old_states smallint[] := '{}';
BEGIN
    IF NOT octoffm_journal_wave(the_writer, the_wave) THEN
        RETURN;
    END IF;
    PERFORM octoffm_journal_alive(the_writer);
    FOR was IN
        SELECT e.key, e.state, e.run_id, e.holder, e.payload_hash = g.hash AS same
        FROM unnest(keys, hashes) AS g (key, hash)
        JOIN octoffm_journal_entries e ON e.scope_id = the_scope AND e.key = g.key
        ORDER BY e.key FOR UPDATE OF e
    LOOP
        IF was.state IN (0, 4) OR (was.state = 3 AND NOT was.same) OR (was.state = 5 AND was.holder = the_writer) THEN
            there := there || was.key;
            old_runs := old_runs || was.run_id;
            old_states := old_states || was.state;
        ELSE
            RAISE EXCEPTION 'not to be sent' USING
                ERRCODE = 'OF002', DETAIL = encode(was.key, 'hex') || ' ' || was.state;
        END IF;
    END LOOP;
    stamp := clock_timestamp();
    IF cardinality(there) > 0 THEN
        UPDATE octoffm_journal_entries e SET
            sent_at = CASE WHEN e.state = 5 THEN e.sent_at ELSE stamp END, changed_at = stamp, run_id = g.run_id,
            api_at = CASE WHEN e.state = 5 THEN least(e.api_at, g.api_at) ELSE g.api_at END,
            state = 1, payload_hash = g.hash, remote_id = NULL, code = NULL, message = NULL, followed = NULL,
            holder = the_writer, left_by = NULL
        FROM unnest(runs, keys, hashes, clocks) AS g (run_id, key, hash, api_at)
        WHERE e.scope_id = the_scope AND e.key = g.key AND e.key = ANY (there);
        PERFORM octoffm_journal_count(
            the_writer, old_runs, old_states, array_fill(-1::bigint, ARRAY[cardinality(there)]));
    END IF;
    IF cardinality(there) < cardinality(keys) THEN
        INSERT INTO octoffm_journal_entries (
            sent_at, changed_at, scope_id, run_id, state, payload_hash, key, holder, api_at)
        SELECT stamp, stamp, the_scope, g.run_id, 1, g.hash, g.key, the_writer, g.api_at
        FROM unnest(runs, keys, hashes, clocks) AS g (run_id, key, hash, api_at) ORDER BY g.key
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS fresh = ROW_COUNT;
    END IF;
    IF cardinality(there) + fresh <> cardinality(keys) THEN  -- another writer inserted one of them at the same time
        SELECT e.key, e.state INTO was FROM octoffm_journal_entries e
        WHERE e.scope_id = the_scope AND e.key = ANY (keys) AND e.holder IS DISTINCT FROM the_writer LIMIT 1;
        RAISE EXCEPTION 'not to be sent' USING
            ERRCODE = 'OF002', DETAIL = coalesce(encode(was.key, 'hex') || ' ' || was.state, ' 1');
    END IF;
    INSERT INTO octoffm_journal_payloads (scope_id, key, payload)
    SELECT the_scope, g.key, g.payload FROM unnest(keys, payloads) AS g (key, payload) ORDER BY g.key
    ON CONFLICT (scope_id, key) DO UPDATE SET payload = excluded.payload;
    PERFORM octoffm_journal_count(
        the_writer, runs, array_fill(1::smallint, ARRAY[cardinality(runs)]),
        array_fill(1::bigint, ARRAY[cardinality(runs)]));
END $$"""

_SENT_SINCE: LiteralString = """
CREATE OR REPLACE FUNCTION octoffm_journal_sent_since(
    the_writer bigint, the_wave bigint, the_scope int, runs int[], keys bytea[], hashes bytea[], payloads bytea[],
    clocks timestamptz[], the_first timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
-- Mark items as sent that an unknown process may have sent before: a look-up for them starts at the_first.
BEGIN
    PERFORM octoffm_journal_sent(the_writer, the_wave, the_scope, runs, keys, hashes, payloads, clocks);
    UPDATE octoffm_journal_entries SET sent_at = least(sent_at, the_first)
        WHERE scope_id = the_scope AND key = ANY (keys) AND state = 1 AND holder = the_writer;
END $$"""

_SETTLE: LiteralString = f"""
CREATE OR REPLACE FUNCTION octoffm_journal_settle(
    the_writer bigint, the_wave bigint, scopes int[], keys bytea[], states smallint[],
    remote_ids bytea[], codes bytea[], messages bytea[])
RETURNS TABLE (place bigint, before smallint, wrong boolean, twice bytea)
LANGUAGE plpgsql AS $$
-- Record the outcomes of items, each of which appears once. Return, by the place in the arrays, each illegal
-- transition with the item's state, and the id of another order that was created under the same reference.
-- State 9 releases an undecided item.
DECLARE
    stamp timestamptz;
    gone boolean;
BEGIN
    IF NOT octoffm_journal_wave(the_writer, the_wave) THEN
        RETURN;
    END IF;
    SELECT coalesce(bool_and(w.dead), true) INTO gone FROM octoffm_journal_writers w WHERE w.writer_id = the_writer;
    PERFORM 1 FROM unnest(scopes, keys) AS g (scope_id, key)
        JOIN octoffm_journal_entries e ON e.scope_id = g.scope_id AND e.key = g.key
        ORDER BY e.scope_id, e.key FOR UPDATE OF e;
    stamp := clock_timestamp();
    RETURN QUERY
    WITH given AS (
        SELECT g.*, e.state AS was, e.run_id, e.holder, e.remote_id AS known,
            coalesce(e.holder = the_writer, false) AS mine, e.state IN (1, 5) AS undecided
        FROM unnest(scopes, keys, states, remote_ids, codes, messages) WITH ORDINALITY
            AS g (scope_id, key, state, remote_id, code, message, place)
        LEFT JOIN octoffm_journal_entries e ON e.scope_id = g.scope_id AND e.key = g.key
    ), judged AS (
        SELECT *, CASE
            WHEN was IS NULL THEN CASE WHEN state = 9 THEN 'left out' ELSE 'wrong' END
            WHEN state = 9 THEN CASE WHEN undecided AND mine THEN 'let go' ELSE 'left out' END
            WHEN undecided AND mine THEN CASE
                WHEN state IN (0, 2, 3, 5) OR (was = 1 AND state = 4) THEN 'write' ELSE 'wrong' END
            WHEN undecided THEN CASE WHEN state = 2 THEN 'write' ELSE 'left out' END
            WHEN was = 2 AND state = 3 THEN 'write'
            WHEN was IN (0, 3, 4) AND state = 2 AND (gone OR mine) THEN 'write'
            WHEN gone OR mine THEN 'left out'
            ELSE 'wrong' END AS verdict
        FROM given
    ), written AS (
        UPDATE octoffm_journal_entries e SET
            state = j.state, remote_id = coalesce(j.remote_id, e.remote_id), code = j.code,
            absences = CASE WHEN j.state IN (2, 3) OR (j.state = 0 AND j.code = 'ByHand') THEN 0
                WHEN j.state = 0 AND j.code = 'Absent' THEN least(e.absences + CASE j.was WHEN 5 THEN 2 ELSE 1 END, 99)
                ELSE e.absences END,
            changed_at = CASE WHEN j.was = 5 AND j.state = 5 THEN e.changed_at ELSE stamp END,  -- a new reason only
            message = j.message, left_by = NULL,
            holder = CASE WHEN j.mine THEN CASE WHEN j.state = 5 THEN the_writer END
                WHEN j.undecided THEN j.holder END
        FROM judged j WHERE j.verdict = 'write' AND e.scope_id = j.scope_id AND e.key = j.key
        RETURNING 1
    ), let_go AS (
        UPDATE octoffm_journal_entries e SET holder = NULL, left_by = coalesce(e.left_by, stamp)
        FROM judged j WHERE j.verdict = 'let go' AND e.scope_id = j.scope_id AND e.key = j.key
    ), dropped AS (
        DELETE FROM octoffm_journal_payloads p USING judged j
        WHERE j.verdict = 'write' AND j.state IN (2, 3) AND p.scope_id = j.scope_id AND p.key = j.key
    ), summed AS (
        SELECT run_id, state, sum(n)::bigint AS n FROM (
            SELECT run_id, was AS state, -1 AS n FROM judged WHERE verdict = 'write'
            UNION ALL SELECT run_id, state, 1 FROM judged WHERE verdict = 'write') AS each
        GROUP BY run_id, state HAVING sum(n) <> 0
    ), counted AS (
        INSERT INTO octoffm_journal_counts AS c (run_id, writer_id, pending, sent, created, refused, failed, unknown)
        SELECT run_id, the_writer,
            coalesce(sum(n) FILTER (WHERE state = 0), 0), coalesce(sum(n) FILTER (WHERE state = 1), 0),
            coalesce(sum(n) FILTER (WHERE state = 2), 0), coalesce(sum(n) FILTER (WHERE state = 3), 0),
            coalesce(sum(n) FILTER (WHERE state = 4), 0), coalesce(sum(n) FILTER (WHERE state = 5), 0)
        FROM summed GROUP BY run_id ORDER BY run_id
        {ADD_TO_COUNTS}
    ), said AS (
        SELECT j.place, j.was, j.verdict = 'wrong' AS wrong,
            CASE WHEN j.was = 2 AND j.state = 2 AND j.known <> j.remote_id THEN j.known END AS twice
        FROM judged j
    )
    SELECT s.place, s.was, s.wrong, s.twice FROM said s WHERE s.wrong OR s.twice IS NOT NULL;
END $$"""  # noqa: S608

_UNDECIDED: LiteralString = """
CREATE OR REPLACE FUNCTION octoffm_journal_take(
    the_writer bigint, the_scope int, the_keys bytea[], grace interval) RETURNS void
LANGUAGE plpgsql AS $$
-- Take over the undecided items of a scope that no writer holds, or that writers with an expired lease hold.
DECLARE
    taken bytea[];
BEGIN
    UPDATE octoffm_journal_writers SET dead = true WHERE writer_id IN (
        SELECT writer_id FROM octoffm_journal_writers
        WHERE NOT dead AND expires_at + grace < clock_timestamp() ORDER BY writer_id FOR UPDATE SKIP LOCKED);
    PERFORM octoffm_journal_alive(the_writer);
    SELECT array_agg(locked.key) INTO taken FROM (
        SELECT e.key FROM octoffm_journal_payloads p
        JOIN octoffm_journal_entries e ON e.scope_id = p.scope_id AND e.key = p.key
        LEFT JOIN octoffm_journal_writers w ON w.writer_id = e.holder
        WHERE p.scope_id = the_scope AND (the_keys IS NULL OR p.key = ANY (the_keys))
            AND e.state IN (1, 5) AND e.holder IS DISTINCT FROM the_writer AND coalesce(w.dead, true)
        ORDER BY e.key FOR UPDATE OF e) AS locked;
    IF taken IS NULL THEN
        RETURN;
    END IF;
    -- Check again, on the locked rows: another writer may have taken them while this one waited for the locks.
    UPDATE octoffm_journal_entries e SET
        holder = the_writer,
        left_by = coalesce(
            e.left_by, (SELECT w.expires_at FROM octoffm_journal_writers w WHERE w.writer_id = e.holder),
            clock_timestamp())
    WHERE e.scope_id = the_scope AND e.key = ANY (taken) AND e.state IN (1, 5)
        AND e.holder IS DISTINCT FROM the_writer AND NOT EXISTS (
            SELECT 1 FROM octoffm_journal_writers w WHERE w.writer_id = e.holder AND NOT w.dead);
END $$"""

STATEMENTS: tuple[LiteralString, ...] = (
    *_TABLES,
    *_CLOCKS,
    _WAVE,
    _ALIVE,
    _COUNT,
    _SENT,
    _SENT_SINCE,
    _SETTLE,
    _UNDECIDED,
)
