"""The runs of ``client.bulk``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ..errors import ConfigurationError
from ..feeds.stock_scan import StockScan
from ..feeds.window_reader import OVERLAP, PAGES_UNDER_WAY
from ..session.run_trace import RunTrace
from ..session.seller_session import SellerSession
from .creations import job_of
from .durable.job import JournaledJob
from .durable.resume import ResumeJob
from .durable.settings import PATIENCE, JournalOptions
from .durable.status_tracking import FOLLOW_FOR, StatusTracker
from .each import CallEach
from .job import RunOptions
from .reconciliation.verification import KINDS, Verification
from .run import Run
from .stocks.filter import FilterProof, StockFilter
from .stocks.lookup import LookupStocks

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
    from os import PathLike

    from ..contract.common import StorageCountry
    from ..contract.inbound import InboundShipmentRequest
    from ..contract.operations import Operation
    from ..contract.outbound import OutboundShipmentRequest
    from ..contract.products import FulfillmentProduct
    from ..journal import Journal
    from .durable.status_tracking import InboundGoal, OutboundGoal
    from .outcomes import CreateOutcome, EachOutcome, LookupOutcome, OrderOutcome, ProductOutcome, Summary
    from .reconciliation.remote_lookup import OrderKind
    from .stocks.lookup import StockLookupMethod

T = TypeVar("T")
ValueT = TypeVar("ValueT")

CONCURRENCY = 32
"""Concurrent calls in a run: the throughput of one process peaks between 10 and 100."""
CHUNKS = 4
"""Concurrent product chunks: each is a hundred products, and a body of some 30 kB."""


class Bulk:
    """Runs over many items.

    Each takes any iterable, sync or async, and never reads ahead of its workers.

    With a ``journal`` (a file's path, or one opened with :meth:`octoffm_async.Journal.open`) a run of creations can be
    killed at any instant and run again: the client does not send a decided item again, and looks up an item whose
    response was lost before it sends it again. ``patience`` seconds after the request (twice as many, if the journal
    knows no order that the list could show), an item that is proven absent is sent again, once. Where the remote side
    cannot be read, or proves nothing, items stay Unknown, unless ``resend_unknown`` says to send them anyway.
    ``follow`` keeps a run open until each order has reached that status or was refused, for ``follow_for`` seconds at
    most (a week); an order that has not reached it by then is Unknown, and so is, after a day, an order in a status
    that this version does not know. The journal keeps it as created, and the next run of the same input tracks it
    again.

    ``verify_first`` is for a journal that was lost, or restored from an older state: each order is looked up before it
    is sent, whenever it may have been sent before. The list of all orders is read once, twice ``patience`` after the
    run began. An order that exists is Skipped, and ``earlier`` has its id; an order that may exist is Unknown, and not
    sent.

    Common arguments: ``concurrency`` is the number of concurrent calls; ``on_progress`` is called with a
    :class:`Summary` at most four times a second and at the end; ``max_failures`` items may be refused, failed or
    unknown before the run stops with :class:`ErrorBudgetExceededError` (``None``: any number); ``drain`` is the number
    of seconds that calls in flight may take when a run is stopped; ``with_items`` puts the item of the input itself
    onto its outcome, as ``outcome.item`` (of a resumed run, the request in the journal, if it can be read). The run
    keeps items until they have their outcomes, no longer.

    The client logs references that an API may store in another form (blanks around them, invisible characters, not
    composed, more than 50 characters) before it sends the first of them, and counts them in
    ``run.summary.odd_references``; ``strict_references`` refuses such items.
    """

    def __init__(self, scope: SellerSession) -> None:
        self._scope = SellerSession(scope.session, scope.seller_id, scope.options.for_bulk(scope.session.config))
        self._check = scope.session.affinity.check

    def create_products(
        self,
        products: Iterable[FulfillmentProduct] | AsyncIterable[FulfillmentProduct],
        *,
        concurrency: int = CHUNKS,
        on_progress: Callable[[Summary], None] | None = None,
        max_failures: int | None = None,
        drain: float = 30.0,
        with_items: bool = False,
        journal: Journal | str | PathLike[str] | None = None,
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        strict_references: bool | None = None,
    ) -> Run[FulfillmentProduct, ProductOutcome]:
        """Register products, a hundred per call.

        Outcomes: Created, Refused, Failed, Unknown, Skipped. :class:`Bulk` describes the arguments.

        ``concurrency`` counts calls, not products. Created means that the API accepted the registration.
        """
        options = RunOptions(concurrency, on_progress, max_failures, drain, with_items)
        return self._creation(
            CREATE_PRODUCTS,
            products,
            options,
            journal,
            patience=patience,
            resend_unknown=resend_unknown,
            strict=strict_references,
        )

    def create_outbound(
        self,
        requests: Iterable[OutboundShipmentRequest] | AsyncIterable[OutboundShipmentRequest],
        *,
        concurrency: int = CONCURRENCY,
        on_progress: Callable[[Summary], None] | None = None,
        max_failures: int | None = None,
        drain: float = 30.0,
        with_items: bool = False,
        journal: Journal | str | PathLike[str] | None = None,
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        verify_first: bool = False,
        follow: OutboundGoal | None = None,
        follow_for: float = FOLLOW_FOR,
        strict_references: bool | None = None,
    ) -> Run[OutboundShipmentRequest, OrderOutcome]:
        """Order shipments, one per call.

        Outcomes: Created (with its id), Refused, Failed, Unknown, Skipped. :class:`Bulk` describes the arguments.

        Without a journal, an order whose response was lost is Unknown, and the run never sends it again: it may be a
        parcel. Marketplace orders in supply mode ``Fulfillment`` must not be among the requests: Octopia ships them by
        itself, and sending one would ship it twice (documented).
        """
        options = RunOptions(concurrency, on_progress, max_failures, drain, with_items)
        return self._creation(
            CREATE_OUTBOUND,
            requests,
            options,
            journal,
            patience=patience,
            resend_unknown=resend_unknown,
            verify_first=verify_first,
            follow=follow,
            follow_for=follow_for,
            strict=strict_references,
        )

    def create_inbound(
        self,
        requests: Iterable[InboundShipmentRequest] | AsyncIterable[InboundShipmentRequest],
        *,
        concurrency: int = CONCURRENCY,
        on_progress: Callable[[Summary], None] | None = None,
        max_failures: int | None = None,
        drain: float = 30.0,
        with_items: bool = False,
        journal: Journal | str | PathLike[str] | None = None,
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        verify_first: bool = False,
        follow: InboundGoal | None = None,
        follow_for: float = FOLLOW_FOR,
        strict_references: bool | None = None,
    ) -> Run[InboundShipmentRequest, OrderOutcome]:
        """Announce supply orders, one per call.

        Outcomes: Created (with its id), Refused, Failed, Unknown, Skipped. :class:`Bulk` describes the arguments.

        Without a journal, an order whose response was lost is Unknown, and the run never sends it again.
        """
        options = RunOptions(concurrency, on_progress, max_failures, drain, with_items)
        return self._creation(
            CREATE_INBOUND,
            requests,
            options,
            journal,
            patience=patience,
            resend_unknown=resend_unknown,
            verify_first=verify_first,
            follow=follow,
            follow_for=follow_for,
            strict=strict_references,
        )

    def lookup_stocks(
        self,
        references: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int = CONCURRENCY,
        how: StockLookupMethod = "auto",
        on_progress: Callable[[Summary], None] | None = None,
        max_failures: int | None = None,
        drain: float = 30.0,
        with_items: bool = False,
    ) -> Run[str, LookupOutcome]:
        """Look up stocks by the seller's references.

        Outcomes: Found (with its stocks), Missing, Refused (it cannot be looked up), Failed, Skipped.

        All stocks of a reference count: ``Found.quantities`` sums them. ``how`` chooses the method:

        - ``filter`` asks for the stocks of each reference; the API must be proven to obey this filter.
        - ``get`` reads which stocks belong to the seller's references, and asks for each of these.
        - ``scan`` reads the references, too, and then all stocks. ``get`` does so as well for references for which the
          API names a product and no stock.
        - ``auto`` takes the cheapest; the filter only if the API obeys it, which two calls find out once.

        References are cached for the session and seller, whichever view of the client asks; an unknown one makes the
        client read them again, but the same one at most once a minute. Missing means that the API showed that there is
        no stock; where it leaves open whether there is one, or which of two references a stock belongs to, the outcome
        is Failed.
        """
        job = LookupStocks(self._scope, workers=concurrency, how=how)
        options = RunOptions(1, on_progress, max_failures, drain, with_items)
        return Run(job, references, options, self._check, RunTrace(self._scope, "stocks.lookup"))

    async def prove_stock_filter(self) -> FilterProof:
        """Find out whether the API obeys the filter of stocks by reference: ``proof.obeyed``, ``proof.reason``.

        This takes two calls at most, once per session and seller.

        Raises:
            CallError: the API could not be asked.
        """
        return await StockFilter.of(self._scope).prove(self._scope)

    def scan_stocks(
        self,
        *,
        storage_country: StorageCountry | None = None,
        delivery_country: str | None = None,
        concurrency: int = PAGES_UNDER_WAY,
        overlap: float = OVERLAP,
        limit: int = 1000,
    ) -> StockScan:
        """Return all stocks, read by ``concurrency`` calls at a time.

        Use it as ``async for stock in client.bulk.scan_stocks(): ...``. The stocks come in no order. A stock that
        changes meanwhile comes in its newer state, and may have come in its older state before; none is missed and no
        state comes twice. ``overlap`` is the number of seconds by which the API's clocks may differ and its rows may
        become visible late; ``limit`` is the number of rows per page (1 to 1000). ``delivery_country`` cannot be
        combined with a filter by time (documented), so those pages are read one after another.

        Raises:
            ValidationError: an argument is out of range, or the filters cannot be combined.
        """
        return StockScan(
            self._scope,
            storage_country=storage_country,
            delivery_country=delivery_country,
            concurrency=concurrency,
            overlap=overlap,
            limit=limit,
        )

    def each(
        self,
        operation: Callable[[T], Awaitable[ValueT]],
        items: Iterable[T] | AsyncIterable[T],
        *,
        key: Callable[[T], str] | None = None,
        concurrency: int = CONCURRENCY,
        on_progress: Callable[[Summary], None] | None = None,
        max_failures: int | None = None,
        drain: float = 30.0,
        with_items: bool = False,
    ) -> Run[T, EachOutcome[ValueT]]:
        """Make any single call for many items: ``client.bulk.each(client.outbound.get, ids)``.

        Outcomes: Done (``value`` is what the call returned), Missing (404), Refused, Failed, Unknown, Skipped.
        :class:`Bulk` describes the arguments.

        ``operation`` takes one item: a method of ``client.outbound`` and so on, whose calls then have the deadline and
        the priority of bulk calls, or a coroutine function of yours, such as one that adds arguments. ``key`` names an
        item (by default a text is its own name, and a request has its reference); of equal names only the first is
        called. An error that is none of this package's ends the run.

        Orders and products are never created so, without the protection of their own runs.

        Raises:
            ConfigurationError: The operation creates orders or products; the error names the method for it.
        """
        job = CallEach(operation, self._scope.session.config, key)
        options = RunOptions(concurrency, on_progress, max_failures, drain, with_items)
        return Run(job, items, options, self._check, RunTrace(self._scope, "each"))

    def resume(
        self,
        journal: Journal | str | PathLike[str],
        run: str,
        *,
        concurrency: int = CONCURRENCY,
        on_progress: Callable[[Summary], None] | None = None,
        max_failures: int | None = None,
        drain: float = 30.0,
        with_items: bool = False,
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        verify_first: bool = False,
    ) -> Run[Any, CreateOutcome]:
        """Resume a run of this seller without its input: ``run`` is its id, such as ``20260801-101500-3fa1``.

        The run first looks up the undecided items; items that are absent or failed, and unknown items that are proven
        absent, are sent from the requests in the journal. Outcomes are those of the run itself; an item whose stored
        request can no longer be read is Failed, or reported as found. Items that were never read from the input are not
        in the journal: for those, make the same call again with its input.

        The run raises :class:`ConfigurationError` if the journal has no such run, or it is another seller's.
        """
        options = RunOptions(concurrency, on_progress, max_failures, drain, with_items)
        how = JournalOptions(
            journal=journal,
            seller_id=self._scope.seller_id,
            operation="",
            patience=patience,
            resend_unknown=resend_unknown,
            verify_first=verify_first,
            run=run,
        )
        job = ResumeJob(how, scope=SellerSession(self._scope.session, self._scope.seller_id, self._scope.options))
        return Run(job, job, options, self._check, RunTrace(self._scope, "resume"))

    def _create(
        self,
        operation: str,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        journaling: JournalOptions,
        on_progress: Callable[[Summary], None] | None = None,
        drain: float = 30.0,
    ) -> Run[Any, CreateOutcome]:
        """Create items with the operation of that name, as a part of a journal's run that several processes share.

        Raises:
            ConfigurationError: no creation has this name.
        """
        scope = SellerSession(self._scope.session, self._scope.seller_id, self._scope.options)
        job, finder = job_of(operation, scope)
        workers = CHUNKS if operation == CREATE_PRODUCTS.name else CONCURRENCY
        options = RunOptions(workers=workers, on_progress=on_progress, drain=drain)
        return Run(
            JournaledJob(job, finder, journaling, scope=scope), items, options, self._check, RunTrace(scope, operation)
        )

    def _tracker(self, kind: OrderKind, goal: str, *, seconds: float) -> StatusTracker:
        """Return a tracker of orders that several processes created together."""
        return StatusTracker(self._scope, kind, goal, seconds=seconds)

    def _creation(
        self,
        operation: Operation[Any],
        items: Iterable[T] | AsyncIterable[T],
        options: RunOptions,
        journal: Journal | str | PathLike[str] | None,
        *,
        patience: float,
        resend_unknown: bool,
        verify_first: bool = False,
        follow: str | None = None,
        follow_for: float = FOLLOW_FOR,
        strict: bool | None,
    ) -> Run[T, Any]:
        journaling = None
        if journal is not None:
            journaling = JournalOptions(
                journal=journal,
                seller_id=self._scope.seller_id,
                operation=operation.name,
                patience=patience,
                resend_unknown=resend_unknown,
                verify_first=verify_first,
            )
        follower = None
        if follow is not None:
            follower = StatusTracker(self._scope, KINDS[operation.name], follow, seconds=follow_for)
        options_of_calls = self._scope.options
        if strict is not None:
            options_of_calls = options_of_calls.changed(strict_references=strict)
        scope = SellerSession(self._scope.session, self._scope.seller_id, options_of_calls)
        verification = None
        if verify_first and journaling is None:
            verification = partial(Verification, scope, KINDS[operation.name], patience=patience)
        job, finder = job_of(operation.name, scope, alone=journaling is None, verify=verification)
        if journaling is not None:
            job = JournaledJob(job, finder, journaling, follower, scope=scope)
        elif follower is not None:
            raise ConfigurationError("follow= needs a journal=, which remembers what is followed")
        return Run(job, items, options, self._check, RunTrace(scope, operation.name))
