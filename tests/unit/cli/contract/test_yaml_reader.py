"""Documents from elsewhere: JSON and YAML, and whatever someone might hand over instead."""

import errno
import json
import os
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.cli.contract.yaml_reader import (
    MOST_BYTES,
    UnreadableDocumentError,
    json_text,
    parse_document,
    read_document,
    yaml_text,
)

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{number}: &a{number} {{<<: [*a{number - 1}, *a{number - 1}]}}\n" for number in range(1, 40)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n\t", "it is empty"),
        (b"# nothing\n", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"a: \xe9", "it is not UTF-8 (byte 3)"),
        ("a: b".encode("utf-16"), "it is not UTF-8 (byte 0)"),
        (b"a: 1\n---\nb: 2\n", "it holds more than one YAML document"),
        (b"a: \0", "it is neither JSON nor YAML: "),
        (b"a:\n\t- b", "it is neither JSON nor YAML: "),
        (b'{"a": 1}}', "it is neither JSON nor YAML: "),
        (b"a: [1", "it is neither JSON nor YAML: "),
        (b"a: *a", "the alias 'a' refers to nothing before it"),
        (b"a: &a [*a]", "the alias 'a' refers to nothing before it"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"a: " + b"[" * 300, "it is nested too deeply"),
        # So deep, the parser may give up before a bound of ours is reached.
        (b"a: " + b"[" * 100_000, ("it is nested too deeply", "it is neither JSON nor YAML: ")),
        (b"".join(b" " * depth + b"a:\n" for depth in range(1000)), "it is nested too deeply"),
        (BOMB.encode(), "its aliases stand for more than 5,000,000 values"),
        (MERGE_BOMB.encode(), "its aliases stand for more than 5,000,000 values"),
    ],
    ids=range(19),
)
def test_what_cannot_be_read_is_reported_in_one_line(content, reason):
    with pytest.raises(UnreadableDocumentError) as raised:
        parse_document(content)
    assert str(raised.value).startswith(reason)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ("\ufeff{}", {}),
        ("{a: b, c: [d]}", {"a": "b", "c": ["d"]}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 2024-01-01T00:00:00Z", {"a": "2024-01-01T00:00:00Z"}),
        ("a: !!timestamp 2024-01-01", {"a": "2024-01-01"}),
        (
            "a: [NO, yes, on, 12:30, 0x1F, 007, 1_000, =]",
            {"a": ["NO", "yes", "on", "12:30", "0x1F", "007", "1_000", "="]},
        ),
        ("a: [null, ~, true, False, 1, -2, 1.5, 1e3]", {"a": [None, None, True, False, 1, -2, 1.5, 1000.0]}),
        ("a: ['1', \"true\", !!str 5, !!int '5']", {"a": ["1", "true", "5", 5]}),
        ("a:", {"a": None}),
        ("200: x\n'201': y", {200: "x", "201": "y"}),
        ("? [a, b]\n: c", {"['a', 'b']": "c"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"c": 3, "b": 1}}),
        ("a: &x {b: 1}\nd: {<<: [*x, {b: 2, e: 4}]}", {"a": {"b": 1}, "d": {"b": 1, "e": 4}}),
        ("'<<': {a: 1}", {"<<": {"a": 1}}),
        ("!!python/object/apply:os.system ['true']", ["true"]),
        ("a: !other x", {"a": "x"}),
        ("a: " + "9" * 10_000, {"a": "9" * 10_000}),
        ("just text", "just text"),
    ],
)
def test_what_is_read(text, value):
    found = parse_document(text.encode())
    assert found == value
    assert repr(found) == repr(value)


def test_a_file_may_be_as_large_as_the_bound_and_no_larger(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_bytes(b"a: b\n#" + b"x" * (MOST_BYTES - 6))
    assert read_document(file) == {"a": "b"}
    file.write_bytes(b"a: b\n#" + b"x" * (MOST_BYTES - 5))
    with pytest.raises(UnreadableDocumentError, match="it is larger than 16 MB"):
        read_document(file)


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(UnreadableDocumentError, match=os.strerror(errno.ENOENT)):
        read_document(tmp_path / "none")
    with pytest.raises(UnreadableDocumentError, match=os.strerror(errno.EISDIR)):
        read_document(tmp_path)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<=~", max_size=3), inner, max_size=4),
    max_leaves=12,
).filter(lambda document: isinstance(document, dict | list))


@given(document=DOCUMENTS)
def test_what_is_written_is_read_again(document):
    assert parse_document(json_text(document).encode()) == document
    assert parse_document(yaml_text(document).encode()) == document
    assert yaml.safe_load(yaml_text(document)) == document


@pytest.mark.parametrize("text", ["0E0", "1e3", "-5e-1", "12", "1.5", "007", "~", "null", "yes", "", "=", "<<", "0x1F"])
def test_text_that_looks_like_something_else_stays_text(text):
    for document in ([text], {text: text}):
        assert parse_document(yaml_text(document).encode()) == document
        assert yaml.safe_load(yaml_text(document)) == document


def test_yaml_is_written_without_anchors_and_in_order():
    shared = {"z": 1, "a": 2}
    assert yaml_text({"b": shared, "a": shared}) == "b:\n  z: 1\n  a: 2\na:\n  z: 1\n  a: 2\n"
    assert json.loads(json_text({"b": shared})) == {"b": shared}


@given(content=st.binary(max_size=60))
def test_no_bytes_make_it_fail(content):
    with suppress(UnreadableDocumentError):
        parse_document(content)
