"""The control verbs as methods: one definition of each for :class:`Sandbox`, its thread and its process.

A method of :class:`ControlMethods` makes a command: a body from the table in :mod:`.verbs`, and the function that reads
the result in the response. A sandbox in this process runs the command and returns the result; a sandbox in another
process sends the command to its control route and returns a coroutine. The descriptor :class:`ControlMethod` gives both
the same signature, and type checkers the right result.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from inspect import signature
from types import MethodType, NoneType
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar, get_args, overload

from msgspec import UNSET, UnsetType

from ..faults import Fault, Only, Rate
from ..http.rate_limit import Limit, RetryAfter
from .verbs import (
    AddStockCommand,
    ClockCommand,
    ControlBody,
    CountryCommand,
    FaultCommand,
    LimitCommand,
    ReceiveCommand,
    ReturnCommand,
    ScriptedFault,
)

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class ControlCommand(NamedTuple, Generic[ResultT]):
    """The body of a control request, and the function that reads the result in its response."""

    body: ControlBody
    read: Callable[[Any], ResultT]


class ControlMethod(Generic[P, ResultT]):
    """A method that executes the command which the decorated function makes."""

    def __init__(self, command: Callable[Concatenate[Any, P], ControlCommand[ResultT]]) -> None:
        @wraps(command)
        def method(sandbox: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
            return sandbox.execute(command(sandbox, *args, **kwargs))

        shown = signature(command)
        (result,) = get_args(shown.return_annotation)
        shown = shown.replace(return_annotation=None if result is NoneType else result)
        vars(method)["__signature__"] = shown  # for help()
        self._method = method

    @overload
    def __get__(self, sandbox: None, owner: type) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, sandbox: "CalledMethods", owner: type) -> Callable[P, ResultT]: ...
    @overload
    def __get__(self, sandbox: "AwaitedMethods", owner: type) -> Callable[P, Coroutine[Any, Any, ResultT]]: ...
    def __get__(self, sandbox: Any, owner: Any) -> Any:
        """Bind the method to a sandbox, as a function does."""
        return self._method if sandbox is None else MethodType(self._method, sandbox)


def _nothing(_: object) -> None:
    return None


def _return_id(content: Any) -> str:
    return str(content["return_id"])


class ControlMethods:
    """The control methods that every sandbox has.

    A sandbox in another process raises ``ValueError`` for every mistake, a :class:`LookupError` of the other sandboxes
    included.
    """

    @ControlMethod
    def add_stock(
        self, reference: str | None = None, *, quantity: int, country: str = "FR", seller: str | None = None
    ) -> ControlCommand[None]:
        """Add ``quantity`` available items to one registered product, or to each product (``None``).

        ``seller`` is the first seller by default.

        Raises:
            ValueError: ``quantity`` is below 1.
            LookupError: the reference or the seller is unknown.
        """
        order = AddStockCommand(quantity=quantity, reference=reference, country=country, seller=seller)
        return ControlCommand(order, _nothing)

    @ControlMethod
    def receive_supplies(self, seller: str | None = None) -> ControlCommand[dict[str, int]]:
        """Receive at once all open supply orders of one seller, or of all sellers (``None``).

        Returns the number of orders by final status, ``{"Received": 2}``. The clock does not move.

        Raises:
            LookupError: the seller is unknown.
        """
        return ControlCommand(ReceiveCommand(seller=seller), dict[str, int])

    @ControlMethod
    def return_by_carrier(self, outbound_shipment_id: str, seller: str | None = None) -> ControlCommand[str]:
        """Create a carrier return of all items of a shipment that no return has announced; return its id.

        ``seller`` is the first seller by default.

        Raises:
            LookupError: the shipment or the seller is unknown.
            ValueError: the shipment is not Shipped, or no item of it can still be returned.
        """
        order = ReturnCommand(outbound_shipment_id=outbound_shipment_id, seller=seller)
        return ControlCommand(order, _return_id)

    @ControlMethod
    def activate(self, country: str, seller: str | None = None) -> ControlCommand[None]:
        """Let a seller (by default the first) supply a storage country: FR, ES or UK."""
        return ControlCommand(CountryCommand(country=country, seller=seller), _nothing)

    @ControlMethod
    def deactivate(self, country: str, seller: str | None = None) -> ControlCommand[None]:
        """Refuse a seller's supply orders for a storage country from now on."""
        return ControlCommand(CountryCommand(country=country, seller=seller, active=False), _nothing)

    @ControlMethod
    def advance(self, seconds: float) -> ControlCommand[None]:
        """Move the sandbox's clock ahead. Raises ``ValueError`` if ``seconds`` is negative."""
        return ControlCommand(ClockCommand(advance=seconds), _nothing)

    @ControlMethod
    def set_limit(
        self, limit: Limit | None, *, retry_after: RetryAfter | UnsetType | None = UNSET
    ) -> ControlCommand[None]:
        """Set the rate limit (requests, seconds) of each seller and group, or remove it (``None``).

        ``retry_after`` is the form of the header in a 429: ``"seconds"``, ``"date"`` or ``None``; unchanged by default.
        """
        return ControlCommand(LimitCommand(limit=limit, retry_after=retry_after), _nothing)

    @ControlMethod
    def next_fault(
        self, fault: Fault, *, operation: str | None = None, times: int = 1, value: float | None = None
    ) -> ControlCommand[None]:
        """Hit the next ``times`` requests (of one operation, if named), as :meth:`.Faults.next` does."""
        script = ScriptedFault(fault=fault.name, operation=operation, times=times, value=value)
        return ControlCommand(FaultCommand(next=script), _nothing)

    @ControlMethod
    def set_fault_rates(
        self, rates: Mapping[Fault, Rate], *, only: Only | None = None, operations: list[str] | None = None
    ) -> ControlCommand[None]:
        """Hit requests at random, as :meth:`.Faults.set_rates` does; the new rates replace all earlier ones."""
        named = {fault.name: rate for fault, rate in rates.items()}
        return ControlCommand(FaultCommand(rates=named, only=only, operations=operations), _nothing)

    @ControlMethod
    def clear_faults(self) -> ControlCommand[None]:
        """Remove all faults, scripted and random."""
        return ControlCommand(FaultCommand(clear=True), _nothing)


class CalledMethods(ControlMethods, ABC):
    """Control methods that return their result."""

    @abstractmethod
    def execute(self, command: ControlCommand[ResultT]) -> ResultT:
        """Execute a command of a control method and return its result."""


class AwaitedMethods(ControlMethods, ABC):
    """Control methods that return a coroutine."""

    @abstractmethod
    async def execute(self, command: ControlCommand[ResultT]) -> ResultT:
        """Execute a command of a control method and return its result."""
