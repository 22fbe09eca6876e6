"""Text from elsewhere: nothing that a terminal obeys passes, and JSON keeps its values."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.text import (
    OutputClosedError,
    SafeStream,
    UnwritableOutputError,
    clear_screen,
    decode_text,
    is_unicode,
    printable,
    safe_json,
    safe_text,
    style,
)

OBEYED = {
    "ESC": "\x1b[2J",
    "title": "\x1b]0;x\x07",
    "C1": "\x9b31m",
    "NEL": "\x85",
    "DEL": "\x7f",
    "carriage return": "a\rb",
    "backspace": "a\bb",
    "override": "\u202e",
    "isolate": "\u2066",
    "mark": "\u200f",
    "no width": "\u200b",
    "joiner": "\u2060",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "tag": "\U000e0041",
    "half a pair": "\ud83d",
    "noncharacter": "\ufdd0",
    "own code, guessed": "\ufdd000000000000031m\ufdd1",
    "private use": "\ue000",
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    flush = write  # type: ignore[assignment]


@pytest.mark.parametrize("text", OBEYED.values(), ids=OBEYED)
def test_nothing_that_a_terminal_obeys_passes(text: str) -> None:
    whole = f"before {text} after"
    stream = Terminal()
    SafeStream(stream).write(whole)
    for safe in (printable(whole), safe_text(whole), stream.getvalue()):
        assert safe.isprintable()
        assert safe.startswith("before ")
        assert safe.endswith(" after")


@given(st.text())
def test_one_line_stays_one_and_lines_stay_lines(text: str) -> None:
    assert printable(text).isprintable()
    assert safe_text(text).count("\n") == text.count("\n")
    assert all(letter.isprintable() or letter in "\n\t" or letter.isspace() for letter in safe_text(text))
    assert safe_text(safe_text(text)) == safe_text(text)


def test_letters_blanks_and_lines_pass() -> None:
    text = "Zoë Łukasz 😀\n\tnaïve\u00a01\u202f000"
    assert safe_text(text) == text


@given(st.dictionaries(st.text(), st.text()), st.booleans())
def test_json_keeps_its_values_and_holds_printable_signs_only(values: dict[str, str], ascii_only: bool) -> None:
    line = safe_json(json.dumps(values, ensure_ascii=False), ascii_only=ascii_only)
    assert json.loads(line) == values
    assert line.isprintable()
    assert not ascii_only or line.isascii()


def test_json_of_many_lines_keeps_them() -> None:
    text = json.dumps({"a": "\x9b\U000e0041"}, indent=2, ensure_ascii=False)
    assert safe_json(text).count("\n") == 2
    assert json.loads(safe_json(text)) == json.loads(text)


def test_own_styles_pass_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for stream in (Terminal(), io.StringIO()):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", SafeStream(stream))
            sys.stdout.write(clear_screen() + style("\x1b[31mX", "bold"))
        said.append(stream.getvalue())
    safe = "\N{REPLACEMENT CHARACTER}[31mX"
    assert said == [f"\x1b[2J\x1b[1;1H\x1b[1m{safe}\x1b[0m", safe]


def test_a_stream_takes_no_bytes_and_shows_no_buffer() -> None:
    stream = SafeStream(io.TextIOWrapper(io.BytesIO(), "utf-8"))
    with pytest.raises(TypeError):
        stream.write(b"")  # type: ignore[arg-type]
    assert not hasattr(stream, "buffer")
    assert stream.encoding == "utf-8"
    stream.writelines(["a\r\n", "b"])
    stream.trusted().write("\x1b")
    stream.flush()
    assert stream.stream.buffer.getvalue() == b"a\r\nb\x1b"  # type: ignore[attr-defined]


def test_a_fault_is_told_once_and_names_the_output() -> None:
    full = Broken(OSError(28, "No space left on device"))
    with pytest.raises(UnwritableOutputError, match="cannot write standard output: No space left"):
        SafeStream(full).write("x")
    with pytest.raises(OutputClosedError):
        SafeStream(Broken(BrokenPipeError(32, "Broken pipe"))).write("x")
    SafeStream(full, quiet=True).write("x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_settings_are_read_in_the_encodings_that_editors_write(encoding: str, end: str) -> None:
    assert decode_text(f"a = 'é'{end}b{end}".encode(encoding)) == "a = 'é'\nb\n"


@pytest.mark.parametrize("content", [b"caf\xe9", b"\xff\xfe\x00", b"\xfe\xff\xd8\x00"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(content)


def test_unicode_outputs_are_told_apart() -> None:
    assert [is_unicode(io.TextIOWrapper(io.BytesIO(), name)) for name in ("utf-8", "utf-16", "cp1252", "ascii")] == [
        True,
        True,
        False,
        False,
    ]
    assert not is_unicode(io.StringIO())
