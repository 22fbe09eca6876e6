"""The manual pages, which are made of the parser."""

from __future__ import annotations

import click

from octoffm_async.cli.app import run
from octoffm_async.cli.guide.man import manual_pages


def test_each_command_has_a_page_with_its_options(tmp_path, capsys):
    assert run(["man", str(tmp_path / "man1")]) == 0
    assert "octoffm.1: " in capsys.readouterr().out
    page = (tmp_path / "man1" / "octoffm-orders-create.1").read_text()
    for part in (
        ".SH SYNOPSIS",
        "\\-\\-rate N/T|off",
        "\\-\\-verify\\-first",
        ".SH EXIT STATUS",
        "octoffm\\-orders(1)",
    ):
        assert part in page
    assert "\\-\\-limit" not in page
    group = (tmp_path / "man1" / "octoffm-orders.1").read_text()
    assert "octoffm\\-orders\\-create(1)" in group


def test_no_text_is_taken_for_a_request_of_roff():
    nasty = click.Command("x", help=".so /etc/passwd\n\n'hi \\n[x]\n\n\b\n.kept\n  as it is", params=[])
    ((_, page),) = manual_pages(nasty)
    assert "\n.so" not in page
    assert "\n'hi" not in page
    assert "\n\\&.kept\n  as it is\n" in page
    assert "\\en[x]" in page
