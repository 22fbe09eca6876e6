"""Rows that exist but are not visible yet, as in a database with lagging read replicas."""

from datetime import datetime
from functools import partial

from ..http.call import IncomingRequest
from ..http.responses import ProblemError
from .scheduled_events import scheduled_event
from .world import SellerAccount, World


class HiddenRows:
    """A record of the rows at its creation; it hides the rows that were added since."""

    def __init__(self, world: World) -> None:
        world.run_due_events()
        self._world = world
        self._lengths = {
            (account.seller, name): len(table.all_rows())
            for account in world.accounts.values()
            for name, table in account.tables().items()
        }

    def hide(self, account: SellerAccount, until: datetime) -> None:
        """Hide the new rows of one account until a time of the sandbox's clock."""
        for name, table in account.tables().items():
            fresh = len(table.all_rows()) - self._lengths[account.seller, name]
            for key in table.newest_keys(fresh):
                table.hide(key)
                self._world.schedule(until, partial(_reveal, account, name, key))


@scheduled_event("visibility._reveal")
def _reveal(account: SellerAccount, name: str, key: str, _: datetime) -> None:
    account.tables()[name].reveal(key)


def refuse_hidden(call: IncomingRequest) -> None:
    """Raise a 404 for a request whose path names a hidden row."""
    if call.resource_id and any(table.hides(call.resource_id) for table in call.account.tables().values()):
        raise ProblemError(404, f"'{call.resource_id}' was not found.")
