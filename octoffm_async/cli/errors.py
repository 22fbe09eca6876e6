"""Exit codes, and errors as one line without a traceback."""

from __future__ import annotations

import re
import sys
from enum import IntEnum
from typing import Any

import click

from ..errors import (
    ASK_AGAIN,
    NO_USE,
    AnsweredError,
    AuthenticationError,
    CallError,
    ConfigurationError,
    OctoffmError,
    OtherEnvironmentError,
    ValidationError,
    is_outcome_unknown,
)
from ..text import OutputClosedError, UnwritableOutputError


class ExitCode(IntEnum):
    """Exit codes."""

    DONE = 0
    """All items are done."""
    REFUSED = 1
    """Some items were refused or failed."""
    USAGE = 2
    """The command, a file or a setting is wrong; nothing was done."""
    UNDECIDED = 3
    """Some items are undecided: they may have been created."""
    UNWRITTEN = 4
    """An output could not be written, after something was done; a run was stopped in order, its journal knows all."""
    INTERRUPTED = 130
    """Ctrl-C: 128 and the number of SIGINT, as shells count."""
    NO_READER = 141
    """The reader of standard output has gone: 128 and the number of SIGPIPE."""
    TERMINATED = 143
    """SIGTERM."""


_INNER = re.compile(
    rf" \[[a-z_.]+(, seller [^,\]]*)?, \d+ attempts?, [^\]]* waiting\]"
    rf"| OUTCOME UNKNOWN: .*? before sending it again| OUTCOME UNKNOWN: [^;]*; {re.escape(ASK_AGAIN)}"
    rf"| \(trace [^)]*\)| \({re.escape(NO_USE)}\)"
)


def is_expected(error: Exception) -> bool:
    """Return True for errors that are printed in one line; all others are bugs of this package: with traceback."""
    process = sys.modules.get("octoffm_async.sandbox.process")  # not loaded by those who start no sandbox
    own = (OctoffmError, UnwritableOutputError)
    return isinstance(error, own if process is None else (*own, process.SandboxStartError))


def code_of(error: BaseException) -> int:
    """Return the exit code of an error."""
    match error:
        case KeyboardInterrupt() | click.Abort():
            return ExitCode.INTERRUPTED
        case SystemExit():
            return ExitCode.TERMINATED
        case OutputClosedError():
            return ExitCode.NO_READER
        case UnwritableOutputError():
            return ExitCode.UNWRITTEN
        case click.ClickException():
            return ExitCode.USAGE
        case ConfigurationError() | ValidationError() | AuthenticationError() | OtherEnvironmentError():
            return ExitCode.USAGE
        case _:
            return ExitCode.UNDECIDED if is_outcome_unknown(error) else ExitCode.REFUSED


def line_of(error: BaseException) -> str:
    """Return an error as one line, without the details that :func:`details_of` gives."""
    if isinstance(error, click.ClickException):
        return " ".join(error.format_message().split())
    return f"{'OUTCOME UNKNOWN: ' if is_outcome_unknown(error) else ''}{headline_of(error)}"


def headline_of(error: BaseException) -> str:
    """Return the first part of an error's text: its message."""
    text = error.message if isinstance(error, CallError) else str(error)
    return without_call_details(" ".join(text.split())) or type(error).__name__


def without_call_details(text: str) -> str:
    """Return the text of an error, as a journal may keep it, without the parts that only serve to trace a call."""
    return _INNER.sub("", text)


def details_of(error: BaseException) -> str:
    """Return the further details of a call's error, for a question to Octopia; empty for other errors."""
    if not isinstance(error, CallError) or not error.operation:
        return ""
    parts = [error.operation, f"seller {error.seller_id}" if error.seller_id else ""]
    parts.append("1 attempt" if error.attempts == 1 else f"{error.attempts} attempts")
    parts.append(f"trace {error.trace_id}" if isinstance(error, AnsweredError) and error.trace_id else "")
    return ", ".join(part for part in parts if part)


def error_fields(error: BaseException, message: str | None = None) -> dict[str, Any]:
    """Return an error that ends a command as fields for JSON, by the library's names."""
    if message is None:
        message = line_of(error) if isinstance(error, click.ClickException) else headline_of(error)
    fields: dict[str, Any] = {
        "event": "error",
        "error": type(error).__name__,
        "message": message,
        "exit_code": int(code_of(error)),
        "outcome_unknown": is_outcome_unknown(error),
    }
    if isinstance(error, CallError):
        names = ("operation", "seller_id", "attempts", "retryable", "retry_after", "status", "trace_id")
        fields |= {name: getattr(error, name) for name in names if hasattr(error, name)}
    if isinstance(error, ValidationError):
        fields["problems"] = [{"field": one.field, "reason": one.reason} for one in error.problems]
    return fields
