"""The options of every command that reads a file of items."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...bulk.durable.settings import PATIENCE
from ...config import Config, Limit
from ...contract.contract_file.model import ContractFile
from ...contract.contract_file.parser import read_contract
from ...contract.contract_file.problems import ContractFileError
from ...disk.piped_input import has_no_place, readable_file
from ...disk.private_file import check_output, is_stream
from ...errors import ConfigurationError
from ...tabular.cells.readers import ReadingOptions
from ...tabular.exports import NAMES
from ...tabular.mapping_file import Mapping, load_mapping
from ..contract.drift_option import drift_path
from ..options import (
    JournalAddress,
    calling_options,
    environment,
    journal_address,
    parse_pairs,
    rate_option,
    with_options,
)
from ..rows.target import STANDARD_OUTPUT, RowTarget
from ..settings.reading import read_config, read_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_DECIMAL_SIGNS = {"point": ".", "comma": ","}
F = TypeVar("F", bound="Callable[..., Any]")

_DATABASE = re.compile(r"postgres(?:ql)?://.*", re.DOTALL)
_REJECTS = re.compile(r"\.rejects(?:-(\d+))?$")


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options of a command. An option that the command does not have keeps its default."""

    file: Path
    mapping: dict[str, str]
    constants: dict[str, str]
    mapping_file: Path | None
    save_mapping: Path | None
    delimiter: str | None
    encoding: str | None
    export: str | None = None
    sheet: str | None = None
    decimal: str | None = None
    literal: tuple[str, ...] = ()
    fill_zeros: bool = False
    fill_down: bool = False
    env_file: Path | None = None
    seller: str | None = None
    rate: tuple[int, float] | str | None = None
    concurrency: int | None = None
    timeout: float | None = None
    proxies: bool = False
    as_json: bool = False
    contract: Path | None = None
    drift: Path | None = None
    rejects: Path | None = None
    report: Path | None = None
    dry_run: bool = False
    journal: JournalAddress | None = None
    drain: float = 30.0
    patience: float = PATIENCE
    resend_unknown: bool = False
    verify_first: bool = False
    strict_references: bool = False
    follow: str | None = None
    follow_for: float | None = None
    target: RowTarget = STANDARD_OUTPUT
    how: str = "auto"
    copy: Path | None = None
    """The content of a file that is a pipe."""

    @property
    def readable(self) -> Path:
        """The file itself or, if that is a pipe, a copy of it."""
        return self.copy or self.file

    @property
    def whole_mapping(self) -> Mapping:
        """The mapping of the mapping file and of the options; the options win."""
        kept = Mapping({}, {}) if self.mapping_file is None else load_mapping(self.mapping_file)
        return kept.with_(self.mapping, self.constants)

    @property
    def reading(self) -> ReadingOptions:
        """The options about the file's cells."""
        return ReadingOptions(
            decimal=_DECIMAL_SIGNS.get(self.decimal or "", ""),
            literal=frozenset(self.literal),
            fill_zeros=self.fill_zeros,
            fill_down=self.fill_down,
        )

    @property
    def journal_address(self) -> JournalAddress:
        """The journal: beside the input unless ``--journal`` names one. A rejects file shares its original's.

        Raises:
            ConfigurationError: The input is standard input, beside which nothing can be kept.
        """
        if self.journal is not None:
            return self.journal
        if has_no_place(self.file):
            raise ConfigurationError(
                f"beside {self.file} no journal can be kept: name one with --journal, and the same one again whenever "
                "the same input is sent again"
            )
        return JournalAddress(str(self.file.with_name(f"{_REJECTS.sub('', self.file.stem)}.journal")))

    @property
    def rejects_file(self) -> Path:
        """The file for rejected rows: beside the input unless ``--rejects`` names another."""
        if self.rejects is not None:
            return self.rejects
        if has_no_place(self.file):
            beside = self.journal and self.journal.file
            return (beside or Path("stdin")).with_suffix(f".rejects{self.readable.suffix}")
        ending = self.file.suffix if self.file.suffix.casefold() in {".jsonl", ".ndjson"} else ".csv"
        before = _REJECTS.search(self.file.stem)
        number = "" if before is None else f"-{int(before[1] or 1) + 1}"
        return self.file.with_name(f"{_REJECTS.sub('', self.file.stem)}.rejects{number}{ending}")

    def config(self) -> Config:
        """Return the client's settings: of the environment or a file, overridden by the options."""
        config = read_config(
            self.env_file,
            seller_id=self.seller,
            bulk_deadline=self.timeout,
            contract=self.contract,
            trust_env=self.proxies or None,
        )
        return with_rate(config, self.rate)

    @property
    def drift_file(self) -> Path | None:
        """The file for differences of answers, named by the option or the environment; None without one."""
        return drift_path(self.drift, environment(self.env_file))

    @property
    def contract_file(self) -> ContractFile:
        """The contract file, read without the settings that only calls need; an empty one if none is named.

        Raises:
            ConfigurationError: The file cannot be used.
        """
        named = self.contract or read_setting(self.env_file, "contract")
        try:
            return read_contract(named) if named else ContractFile()
        except ContractFileError as error:
            raise ConfigurationError(str(error)) from None

    def check_paths(self, *, journal: bool, rejects: bool = True) -> None:
        """Check before the run, not in the middle of it, that every file can be written.

        Raises:
            ConfigurationError: A file would overwrite another, or its folder does not exist.
        """
        address = self.journal_address if journal else None
        read = {"the input": self.file, "the contract file": self.contract, "the file of variables": self.env_file}
        if self.mapping_file != self.save_mapping:  # else it is brought up to date
            read["the mapping"] = self.mapping_file
        taken = {path.resolve(): f"{what} {path}" for what, path in read.items() if path is not None}
        named = {
            "--journal": None if address is None else address.file,
            "--rejects": self.rejects_file if rejects else self.rejects,
            "--report": self.report,
            "-o": self.target.file,
            "--drift": self.drift,
            "--save-mapping": self.save_mapping,
        }
        for option, path in named.items():
            if path is None or (is_stream(path) and option != "--journal"):
                _check_writable(option, path)
                continue
            if option != "--journal" and address is not None and address.owns(path):
                raise ConfigurationError(f"{option} would overwrite the journal {address}")
            if path.resolve() in taken:
                raise ConfigurationError(f"{option} would overwrite {taken[path.resolve()]}")
            taken[path.resolve()] = f"the file of {option}"
            if not path.parent.is_dir():
                raise ConfigurationError(f"{option}: there is no folder {path.parent}")
            _check_writable(option, path)


def _check_writable(option: str, path: Path | None) -> None:
    if path is None or option not in {"--rejects", "--report"}:
        return
    try:
        check_output(path)
    except OSError as error:
        raise ConfigurationError(f"nothing was sent: cannot write {path} ({option}): {error.strerror}") from None


@contextmanager
def file_options(**options: Any) -> Generator[FileOptions]:
    """Give the options of a command; an input from a pipe is read to its end first."""
    with readable_file(options["file"]) as readable:
        yield FileOptions(copy=readable, **options)


def with_rate(config: Config, rate: tuple[int, float] | str | None) -> Config:
    """Return settings with the limit of ``--rate``, if it was given."""
    match rate:
        case None:
            return config
        case (int(calls), float(seconds)):
            return config.with_(limit=Limit(calls, per=seconds))
        case _:
            return config.with_(limit=None)


def repeated_command() -> str:
    """Return the command as it was typed, quoted for a shell, without the password of a database."""
    return shlex.join(
        ["octoffm", *(_DATABASE.sub(lambda found: str(JournalAddress(found[0])), word) for word in sys.argv[1:])]
    )


_PATH = click.Path(path_type=Path, dir_okay=False)
READING = (
    click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True)),
    click.option(
        "--map", "mapping", multiple=True, callback=parse_pairs, metavar="FIELD=COLUMN", help="Column of a field."
    ),
    click.option(
        "--set", "constants", multiple=True, callback=parse_pairs, metavar="FIELD=VALUE", help="Value for all rows."
    ),
    click.option("--mapping", "mapping_file", type=_PATH, metavar="FILE", help="A saved mapping."),
    click.option("--save-mapping", type=_PATH, metavar="FILE", help="Save --map and --set for another time."),
    click.option("--delimiter", metavar="CHAR", help="Delimiter of CSV cells; detected by default."),
    click.option("--encoding", metavar="NAME", help="Encoding of a CSV file; detected by default."),
    click.option("--sheet", metavar="NAME", help="Sheet of a workbook, where several may be meant."),
    click.option("--decimal", type=click.Choice(list(_DECIMAL_SIGNS)), help="Decimal sign; detected by default."),
    click.option(
        "--literal",
        multiple=True,
        metavar="FIELD",
        help="Take this field's cells as they stand, although they look like a number, a date or a word for nothing.",
    ),
)
ORDER_CELLS = (
    click.option("--from", "export", type=click.Choice(NAMES), help="Columns of a shop's export (see: mappings)."),
    click.option("--fill-zeros", is_flag=True, help="Give postal codes back the zeros that a spreadsheet dropped."),
    click.option("--fill-down", is_flag=True, help="Rows without a reference belong to the order above them."),
)
"""Options of the file and of the mapping of its columns."""
CHECKING = (
    click.option("--dry-run", is_flag=True, help="Check the whole file, show what would be sent, send nothing."),
    click.option("--rejects", type=_PATH, metavar="FILE", help="Rejected rows. Default: FILE's name with .rejects."),
)
"""Options of the check of a file."""
drain_option = click.option(
    "--drain",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds that calls in flight get after Ctrl-C.",
)
DECIDING = (
    click.option(
        "--patience",
        type=click.FloatRange(0),
        default=PATIENCE,
        show_default=True,
        metavar="S",
        help="Seconds after sending during which an item that is not found may still become visible.",
    ),
    click.option(
        "--resend-unknown", is_flag=True, help="Send again what could not be looked up: it may then exist twice."
    ),
)
"""Options of the decision on items whose outcome was lost."""
_CREATING = (
    *CHECKING,
    click.option("--report", type=_PATH, metavar="FILE", help="Write a report as one HTML page."),
    click.option(
        "--journal",
        callback=journal_address,
        envvar="OCTOFFM_JOURNAL",
        metavar="PATH",
        help="A file, or postgresql://user@host/name. Default: FILE's name with .journal.",
    ),
    drain_option,
    *DECIDING,
    click.option(
        "--strict-references",
        is_flag=True,
        help="Refuse references that the API may change: outer blanks, invisible characters, over 50 characters.",
    ),
)


def follow_options(*goals: str) -> tuple[Callable[[Any], Any], ...]:
    """Return the options ``--follow`` and ``--follow-for`` of orders that can reach these statuses."""
    return (
        click.option("--follow", type=click.Choice(goals), help="Wait until each has this status, or is refused."),
        click.option(
            "--follow-for",
            type=click.FloatRange(0, min_open=True),
            metavar="S",
            help="Seconds that --follow may take, a week if not given; orders not there by then are undecided.",
        ),
    )


def call_rate_option(command: F) -> F:
    """Add ``--rate`` for calls; the command receives ``rate``: calls and seconds, :data:`OFF` or None."""
    return rate_option("At most N calls in T seconds.", off=True)(command)


_CALLING = (
    call_rate_option,
    click.option("--concurrency", type=click.IntRange(1), metavar="N", help="Calls at a time."),
    *calling_options(900),
)


def reading_options(command: F) -> F:
    """Add the options of the file, of the mapping of its columns, and of calls."""
    return with_options(*READING, *_CALLING)(command)


def creating_options(command: F) -> F:
    """Add the options of :func:`reading_options` and those of a command that creates something."""
    return with_options(*READING, *ORDER_CELLS, *_CREATING, *_CALLING)(command)
