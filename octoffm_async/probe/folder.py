"""The folder of a probe: files that only their owner can read, rewritten after each call."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from ..disk.private_file import FOLDER_MODE, write_file
from ..session.error_mapping import redact
from .evaluation.answers import seen_answers
from .evaluation.corrections import contract_text, mend
from .evaluation.drift import drift_of
from .evaluation.proofs import Proofs, account_key, decode_proofs, encode_proofs, proof_of
from .report import Results, report_text

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ..config import Config
    from .records import Probe

SHAPES, DRIFT, CONTRACT, REPORT, PROOFS = "shapes.json", "drift.json", "contract.toml", "probe-report.md", "proofs.json"
BEFORE = "contract.before-{}.toml"
_SHORTEST_SECRET = 6
"""Characters of a secret that the files are searched for; a shorter one occurs in many words."""
_PROOFS_MOST = 4 * 1024 * 1024


def results_of(probe: Probe, *, stocks_seen: int) -> Results:
    """Return the results of the calls so far."""
    answers = seen_answers(probe)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    proof = proof_of(probe, stocks_seen=stocks_seen, at=at)
    corrections = mend(answers)
    return Results(probe=probe, drift=drift_of(answers, corrections), corrections=corrections, proof=proof)


def read_proofs(path: Path) -> Proofs:
    """Read a file of proofs; return no proofs if it does not exist.

    Raises:
        OSError: the file cannot be read.
        UnreadableProofsError: the file is not a file of proofs.
    """
    try:
        with path.open("rb") as file:
            return decode_proofs(file.read(_PROOFS_MOST))
    except FileNotFoundError:
        return Proofs()


class ProbeFolder:
    """The writer of a probe's results.

    It keeps the proofs of other accounts in the folder, and a contract file of an earlier probe as
    ``contract.before-1.toml``.

    Raises:
        OSError: the folder cannot be written.
        UnreadableProofsError: the folder's ``proofs.json`` is not a file of proofs.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.folder = folder
        self._key = account_key(base_url=config.base_url, client_id=config.client_id, seller_id=config.seller_id)
        self._proofs = read_proofs(folder / PROOFS)
        self._written: dict[str, str] = {}

    def write(self, probe: Probe, *, stocks_seen: int, secrets: Collection[str]) -> Results:
        """Rewrite all files, each atomically, so that a reader never sees half a file."""
        results = results_of(probe, stocks_seen=stocks_seen)
        note = f"Made by octoffm contract probe {probe.version} from the API's answers; see {REPORT}."
        self._write(SHAPES, _json(probe), secrets)
        drift = {"ended": probe.ended, "done": probe.done, "drift": results.drift}
        self._write(DRIFT, _json(drift), secrets)
        if CONTRACT not in self._written:
            self._keep_aside()
        self._write(CONTRACT, contract_text(results.corrections, note=note), secrets)
        self._write(REPORT, report_text(results), secrets)
        self._write(PROOFS, encode_proofs(self._proofs.with_(self._key, results.proof)).decode(), ())
        return results

    def _keep_aside(self) -> None:
        """Keep the contract file of an earlier probe beside the new one: a person may have edited it."""
        before = _text_of(self.folder / CONTRACT) or ""
        for number in count(1) if _entries(before) else ():
            name = BEFORE.format(number)
            kept = _text_of(self.folder / name)
            if kept is None:
                self._write(name, before, ())
            if kept is None or _entries(kept) == _entries(before):
                return

    def _write(self, name: str, text: str, secrets: Collection[str]) -> None:
        """Write one file. Shapes hold no secrets; the text is searched for them all the same."""
        text = redact(text, sorted((one for one in secrets if len(one) >= _SHORTEST_SECRET), key=len, reverse=True))
        if self._written.get(name) == text:
            return
        write_file(self.folder / name, text.encode())
        self._written[name] = text


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _entries(contract: str) -> list[str]:
    """Return the lines of a contract file that are neither empty nor comments."""
    return [line for line in contract.splitlines() if line.strip() and not line.startswith("#")]


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
