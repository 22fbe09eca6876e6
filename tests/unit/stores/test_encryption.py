"""What is sealed opens with its key, under its name and unchanged, and in no other way."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import ConfigurationError, Secret
from octoffm_async.stores.encryption import VARIABLE, DecryptionError, Encryptor, new_key

ONE, TWO = Encryptor(new_key()), Encryptor(new_key())


@given(content=st.binary(max_size=500), name=st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_is_sealed_opens(content: bytes, name: str) -> None:
    kept = ONE.encrypt(content, name)
    assert ONE.decrypt(kept, name) == content
    assert len(content) < 8 or content not in kept


@given(at=st.integers(0, 139), bit=st.integers(0, 7))
def test_what_was_changed_does_not_open(at: int, bit: int) -> None:
    kept = bytearray(base64.urlsafe_b64decode(ONE.encrypt(b"a token", "name")))
    kept[at % len(kept)] ^= 1 << bit
    with pytest.raises(DecryptionError):
        ONE.decrypt(base64.urlsafe_b64encode(kept), "name")


@pytest.mark.parametrize("name", ["", "nam", "name\0", "names", "other"])
def test_what_is_kept_under_another_name_does_not_open(name: str) -> None:
    with pytest.raises(DecryptionError, match="another name"):
        ONE.decrypt(ONE.encrypt(b"a token", "name"), name)


@pytest.mark.parametrize("kept", [b"", b"a token", b"\xff" * 40, TWO.encrypt(b"a token", "name")], ids=range(4))
def test_what_was_not_sealed_with_the_key_does_not_open(kept: bytes) -> None:
    with pytest.raises(DecryptionError, match="another key"):
        ONE.decrypt(kept, "name")


def test_without_a_key_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for empty in (None, ""):
        monkeypatch.delenv(VARIABLE, raising=False) if empty is None else monkeypatch.setenv(VARIABLE, empty)
        encryptor = Encryptor()
        assert (encryptor.encrypts, encryptor.key_id) == (False, "")
        assert encryptor.encrypt(b"a token", "name") == encryptor.decrypt(b"a token", "other") == b"a token"


def test_the_key_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    monkeypatch.setenv(VARIABLE, key)
    kept = Encryptor().encrypt(b"a token", "name")
    assert Encryptor(Secret(key)).decrypt(kept, "name") == b"a token"
    assert Encryptor().key_id == Encryptor(key).key_id
    with pytest.raises(DecryptionError):
        ONE.decrypt(kept, "name")


@pytest.mark.parametrize("key", ["", "p4ssword", "p4ssword" * 8, "s" * 42, "é" * 44, "=" * 44])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes") as caught:
        Encryptor(key)
    assert not key or key not in str(caught.value)


def test_keys_have_marks_that_differ_and_do_not_show_them() -> None:
    keys = [new_key() for _ in range(20)]
    marks = {Encryptor(key).key_id for key in keys}
    assert len(marks) == 20
    assert all(len(mark) == 8 and int(mark, 16) >= 0 for mark in marks)
    assert not any(mark in key for mark in marks for key in keys)
    assert all(repr(Encryptor(key)) == f"<Encryptor {Encryptor(key).key_id}>" for key in keys)
