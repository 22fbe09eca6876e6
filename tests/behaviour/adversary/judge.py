"""The verdict on a trial: what the client told, held against what the server really created."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from octoffm_async import Created, Failed, Outcome, Refused, Skipped, Unknown
from tests.support.inside import tidied

from .lies.lie import Lie, Verdict
from .server import Adversary


@dataclass
class ReportedOutcome:
    """What one run told of one order. ``what`` is the outcome's name; a skipped one that has an earlier is that one."""

    what: str
    id: str | None = None
    reason: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> ReportedOutcome:
        match outcome:
            case Skipped(earlier=earlier) if earlier is not None:
                return cls.of(earlier)
            case Created():
                return cls("Created", outcome.id)
            case Refused():
                return cls("Refused", reason=outcome.message or outcome.code)
            case Failed():
                return cls("Failed", reason=str(outcome.error))
            case Unknown() | Skipped():
                return cls(type(outcome).__name__, reason=outcome.reason)
            case _:
                return cls(type(outcome).__name__)


@dataclass
class Finding:
    """The judgement of a trial: faults by kind, each with the references that show it."""

    lies: Sequence[Lie]
    seed: int
    faults: dict[str, list[str]] = field(default_factory=dict)
    was_killed: bool = False
    """Whether runs were killed: an order that a killed run did not come to send twice over may then stay Unknown."""
    runs: int = 0
    reported: Counter[str] = field(default_factory=Counter[str])
    created: int = 0
    requests: list[list[str]] = field(default_factory=list[list[str]])
    """Requests of each run."""
    untold: list[str] = field(default_factory=list[str])
    """Lies that were never told: there was no occasion."""

    def fault(self, kind: str, detail: str) -> None:
        details = self.faults.setdefault(kind, [])
        if detail not in details:
            details.append(detail)

    def __str__(self) -> str:
        names = " + ".join(each.name for each in self.lies) or "no lie"
        reported = ", ".join(f"{count} {what}" for what, count in sorted(self.reported.items()))
        costs = "; ".join(
            " ".join(f"{count} {what}" for what, count in sorted(Counter(asked).items())) for asked in self.requests
        )
        verdict = "FAULT" if self.faults else "good"
        about = f"(seed {self.seed}): {self.created} created; told {reported} after {self.runs} runs [{costs}]"
        lines = [f"{verdict:5} {names} {about}"]
        for kind, details in self.faults.items():
            lines.append(f"    {kind} ({len(details)}): {'; '.join(details[:3])}")
        return "\n".join(lines)


def allowed(lies: Sequence[Lie]) -> Verdict:
    """What all lies together allow: as much as the worst of them."""
    verdicts = {each.verdict for each in lies}
    return "unprovable" if "unprovable" in verdicts else "told" if "told" in verdicts else "honest"


def judge_reported(
    finding: Finding, server: Adversary, reported: Mapping[str, ReportedOutcome], *, is_last: bool = False
) -> None:
    """Judge what a run told, right after it: nothing false may be told at any time.

    Where an id can only be seen to be another's when that one is looked up, this holds for what is told in the end; and
    there it holds of ids only if the list tells the truth: no other lie is told that leaves orders undecided. An order
    that does not exist is never told as created in the end.
    """
    truth = server.truth
    is_shifted = any(each.is_seen_later for each in finding.lies)
    is_blind = is_shifted and any(not each.is_seen_later and each.verdict != "honest" for each in finding.lies)
    unprovable = allowed(finding.lies) == "unprovable"
    for reference, one in reported.items():
        ids = truth.get(reference, [])
        excused = (is_shifted and not is_last) or (bool(ids) and (one.id is None or is_blind))
        if one.what == "Created" and one.id not in ids and not excused:
            owner = next((each for each, some in truth.items() if one.id in some), "nobody")
            finding.fault("told Created, which is false", f"{reference!r} as {one.id}, the id of {owner!r}")
        if one.what in ("Refused", "Failed") and ids and not unprovable:
            finding.fault(f"told {one.what}, but it was created", f"{reference!r}: {one.reason}")
        if one.what in ("Refused", "Failed", "Unknown", "Skipped") and not one.reason:
            finding.fault("told without a reason", f"{reference!r}: {one.what}")


def judge_end(
    finding: Finding, server: Adversary, references: Sequence[str], reported: Mapping[str, ReportedOutcome]
) -> None:
    """Judge the end of a trial: nothing doubled, nothing lost, and nothing undecided without need."""
    judge_reported(finding, server, reported, is_last=True)
    truth = server.truth
    verdict = allowed(finding.lies)
    undecided = Counter(tidied(reference) for reference, one in reported.items() if one.what == "Unknown")

    def in_doubt(reference: str) -> bool:
        # Two that differ in what an API may drop, and of both the answers were lost: one row may be either. Such
        # references are told as odd before they are sent.
        return undecided[tidied(reference)] > 1

    finding.reported = Counter(one.what for one in reported.values())
    finding.created = len(server.orders)
    for reference in references:
        ids, one = truth.get(reference, []), reported.get(reference)
        if len(ids) > 1 and verdict != "unprovable":
            finding.fault("doubled", f"{reference!r} exists {len(ids)} times, told {one.what if one else 'nothing'}")
        if one is None:
            finding.fault("lost" if not ids else "told nothing", repr(reference))
        elif not ids and one.what == "Created":
            finding.fault("lost", f"{reference!r} told {one.what}")
        elif verdict == "honest" and not finding.was_killed and one.what != "Created" and not in_doubt(reference):
            finding.fault("needlessly undecided", f"{reference!r} {one.what}: {one.reason}")
    for reference in truth.keys() - set(references):
        finding.fault("created, but not asked for", repr(reference))
