"""The environment (API and account) to which each seller's part of the journal in PostgreSQL belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..environment import Environment, check_same, log_adopted
from ..sqlite.batches import stored, text

if TYPE_CHECKING:
    from ...stores.database import Connection

__all__ = ["bind", "rebind"]


async def bind(connection: Connection, journal: str, seller: str, environment: Environment) -> None:
    """Check that a seller's part of the journal belongs to this environment; assign it if it belongs to none.

    Raises:
        OtherEnvironmentError: the part belongs to another environment.
    """
    values = (stored(seller), stored(environment.api), environment.account)
    put = await connection.execute(
        "INSERT INTO octoffm_journal_environments (seller, api, account) VALUES (%s, %s, %s) "
        "ON CONFLICT (seller) DO NOTHING RETURNING EXISTS (SELECT 1 FROM octoffm_journal_runs r "
        "JOIN octoffm_journal_scopes s USING (scope_id) WHERE s.seller = octoffm_journal_environments.seller)",
        values,
    )
    if (row := await put.fetchone()) is not None:
        if row[0]:
            log_adopted(journal, seller, environment)
        return
    if (known := await _known(connection, seller)) is not None:
        check_same(journal, seller, known, environment)


async def rebind(connection: Connection, seller: str, environment: Environment) -> Environment | None:
    """Assign a seller's part of the journal to an environment; return the one that it belonged to before."""
    before = await _known(connection, seller)
    await connection.execute(
        "INSERT INTO octoffm_journal_environments (seller, api, account) VALUES (%s, %s, %s) "
        "ON CONFLICT (seller) DO UPDATE SET api = excluded.api, account = excluded.account",
        (stored(seller), stored(environment.api), environment.account),
    )
    return before


async def _known(connection: Connection, seller: str) -> Environment | None:
    found = await connection.execute(
        "SELECT api, account FROM octoffm_journal_environments WHERE seller = %s", (stored(seller),)
    )
    row = await found.fetchone()
    return None if row is None else Environment(text(bytes(row[0])), str(row[1]))
