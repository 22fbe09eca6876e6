"""Rows that exist but are not visible yet, as in a database with lagging read replicas."""

from datetime import datetime
from functools import partial

from .calls import Call
from .happenings import happening
from .replies import ProblemError
from .world import Account, World


class LateRows:
    """A record of the rows at its creation; it hides the rows that were added since."""

    def __init__(self, world: World) -> None:
        world.settle()
        self._world = world
        self._lengths = {
            (account.seller, name): len(ledger.everything())
            for account in world.accounts.values()
            for name, ledger in account.ledgers().items()
        }

    def hide(self, account: Account, until: datetime) -> None:
        """Hide the new rows of one account until a time of the sandbox's clock."""
        for name, ledger in account.ledgers().items():
            fresh = len(ledger.everything()) - self._lengths[account.seller, name]
            for key in ledger.newest_keys(fresh):
                ledger.hide(key)
                self._world.schedule(until, partial(_reveal, account, name, key))


@happening("visibility._reveal")
def _reveal(account: Account, name: str, key: str, _: datetime) -> None:
    account.ledgers()[name].reveal(key)


def refuse_hidden(call: Call) -> None:
    """Raise a 404 for a request whose path names a hidden row."""
    if call.item and any(ledger.hides(call.item) for ledger in call.account.ledgers().values()):
        raise ProblemError(404, f"'{call.item}' was not found.")
