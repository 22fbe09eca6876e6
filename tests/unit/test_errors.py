"""The error tree: as drawn, and able to travel between processes."""

import copy
import inspect
import pickle
import re

import pytest

import octoffm_async
from octoffm_async import errors
from octoffm_async.contract.requests.checks import FieldProblem
from octoffm_async.errors import (
    AnsweredError,
    CallError,
    ConflictError,
    ConnectionLostError,
    NotAnsweredError,
    OctoffmError,
    ValidationError,
    is_outcome_unknown,
    mark_unknown,
)

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, OctoffmError)]
CALL_ERRORS = [kind for kind in CLASSES if issubclass(kind, CallError)]
of_each = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def drawn() -> dict[str, tuple[str, str]]:
    """Each class of the docstring's tree with its parent and the built-in class it also is."""
    tree, path = {}, []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"^    ([│├└─ ]*)(\w+Error)\b", line):
            depth = len(match[1]) // 4
            also = re.search(r"\(also (\w+)\)", line)
            path = [*path[:depth], match[2]]
            tree[match[2]] = (path[depth - 1] if depth else "Exception", also[1] if also else "")
    return tree


def real() -> dict[str, tuple[str, str]]:
    return {
        kind.__name__: (kind.__bases__[0].__name__, kind.__bases__[1].__name__ if len(kind.__bases__) > 1 else "")
        for kind in CLASSES
    }


def test_the_tree_is_drawn_as_it_is() -> None:
    assert drawn() == real()
    assert len(drawn()) > 20


def test_all_errors_are_public() -> None:
    names = {kind.__name__ for kind in CLASSES}
    assert names | {"is_outcome_unknown"} == set(errors.__all__)
    assert names <= set(octoffm_async.__all__)
    assert errors.__all__ == sorted(errors.__all__)


def example(kind: type[OctoffmError]) -> OctoffmError:
    if issubclass(kind, ValidationError):
        return kind("product", "R-1", [FieldProblem("gtin", "1", "is short")])
    if not issubclass(kind, CallError):
        return kind("it went wrong")
    if issubclass(kind, AnsweredError):
        error: CallError = kind(
            "it went wrong",
            status=418,
            code="E",
            title="T",
            field_errors={"gtin": ["short"]},
            trace_id="trace",
            retry_after=1.5,
            body="{}",
        )
    else:
        error = kind("it went wrong")
    error.operation, error.seller_id = "outbound.create", "12345"
    error.attempts, error.waited, error.travelled = 3, 1.5, 0.25
    error.outcome_unknown = True
    error.message += " (3 attempts failed)"
    error.add_note("a note")
    return error


@of_each
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in (2, 5))],  # noqa: S301
    ids=["copy", "deepcopy", "pickle 2", "pickle 5"],
)
def test_every_error_survives_copies_and_pickles(kind, duplicate) -> None:
    error = example(kind)
    same = duplicate(error)
    assert type(same) is kind
    assert same is not error
    assert str(same) == str(error)
    assert vars(same) == vars(error)


@of_each
def test_every_error_tells_what_went_wrong(kind) -> None:
    assert "is short" in str(example(kind)) or "it went wrong" in str(example(kind))


@pytest.mark.parametrize("kind", CALL_ERRORS, ids=lambda kind: kind.__name__)
def test_a_call_error_tells_operation_seller_attempts_and_times(kind) -> None:
    text = str(example(kind))
    assert "[outbound.create, seller 12345, 3 attempts, 0.25 s on the wire, 1.50 s waiting]" in text
    assert "OUTCOME UNKNOWN" in text
    assert "look it up by its reference before sending it again" in text


@pytest.mark.parametrize(
    ("attempts", "seller", "told"),
    [(0, "", "[x, 0 attempts,"), (1, "", "[x, 1 attempt,"), (2, "7", "[x, seller 7, 2 attempts,")],
)
def test_attempts_are_counted_in_words(attempts, seller, told) -> None:
    error = ConflictError("no", status=409)
    assert str(error) == "no"
    error.operation, error.attempts, error.seller_id = "x", attempts, seller
    assert told in str(error)
    assert "OUTCOME" not in str(error)


def test_a_trace_is_told() -> None:
    assert str(ConflictError("no", trace_id="00-a")) == "no (trace 00-a)"


@pytest.mark.parametrize("kind", CALL_ERRORS, ids=lambda kind: kind.__name__)
def test_which_errors_may_pass(kind) -> None:
    error = kind("x")
    never = {"CallError", "TLSError"}
    answered = {"RateLimitedError", "NotReadyError", "ServerError"}
    expected = kind.__name__ in answered if issubclass(kind, AnsweredError) else kind.__name__ not in never
    assert error.retryable is expected
    assert error.outcome_unknown is False
    if isinstance(error, NotAnsweredError):
        assert error.bytes_left is (kind.__name__ not in {"ConnectError", "TLSError"})


def test_an_unknown_outcome_is_seen_on_any_error() -> None:
    cancelled, lost = BaseException(), ConnectionLostError("x")
    assert not is_outcome_unknown(cancelled)
    assert not is_outcome_unknown(lost)
    mark_unknown(cancelled)
    lost.outcome_unknown = True
    assert is_outcome_unknown(cancelled)
    assert is_outcome_unknown(lost)
    assert is_outcome_unknown(pickle.loads(pickle.dumps(lost)))  # noqa: S301


def test_a_validation_error_names_all_problems() -> None:
    problems = [FieldProblem("gtin", "1", "is short"), FieldProblem("title", "", "is empty")]
    error = ValidationError("product", "R-1", problems)
    assert str(error) == "product 'R-1' cannot be sent: gtin = '1': is short; title = '': is empty"
    assert str(ValidationError("list", problems=problems[:1])) == "list cannot be sent: gtin = '1': is short"
    assert isinstance(error, ValueError)


def test_field_errors_are_the_errors_own() -> None:
    given = {"gtin": ["short"]}
    error = AnsweredError("x", field_errors=given)
    given.clear()
    assert error.field_errors == {"gtin": ["short"]}
    assert AnsweredError("x").field_errors == {}
