"""Answers as if a probe had seen them."""

from __future__ import annotations

from typing import Any

from octoffm_async.contract.operations import Operation
from octoffm_async.probe.evaluation.answers import OperationAnswers, seen_answers
from octoffm_async.probe.records import CallRecord, Probe
from octoffm_async.probe.shapes import shape_of
from octoffm_async.probe.words import Censor


def answered(*bodies: tuple[Operation[Any], Any]) -> Probe:
    """A probe to which each operation gave a body."""
    calls = [
        CallRecord(
            step=4,
            name=operation.name,
            call="GET",
            settles="it",
            outcome="answered",
            operation=operation.name,
            status=200,
            body="json",
            shape=shape_of(body, Censor()),
        )
        for operation, body in bodies
    ]
    return Probe(version="1", started="now", calls=calls)


def seen(*bodies: tuple[Operation[Any], Any]) -> list[OperationAnswers]:
    return seen_answers(answered(*bodies))
