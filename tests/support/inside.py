"""Parts of the package's inside that tests of behaviour need: the only place that a redesign has to touch for them."""

from octoffm_async.bulk.durable.job import JournaledJob
from octoffm_async.bulk.durable.settings import outgoing_items_of
from octoffm_async.bulk.reconciliation.reference_matching import tidied
from octoffm_async.contract.adoption import adopt
from octoffm_async.contract.base import modelled_fields
from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.journal.postgres.journal import PostgresJournal
from octoffm_async.journal.sqlite import engine as sqlite_engine
from octoffm_async.sandbox.thread import LoopThread
from octoffm_async.stores.encryption import VARIABLE

__all__ = [
    "VARIABLE",
    "JournaledJob",
    "LoopThread",
    "PostgresJournal",
    "adopt",
    "gtin_check_digit",
    "modelled_fields",
    "outgoing_items_of",
    "sqlite_engine",
    "tidied",
]
