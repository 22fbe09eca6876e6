"""``octoffm guide``: the list, a page on a terminal and in a pipe, and the site with its search."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from octoffm_async.cli.app import octoffm, run
from octoffm_async.cli.guide.pages import ORDER, GuidePage, read_page
from octoffm_async.cli.guide.site import site_files
from octoffm_async.settings.sources import KINDS
from tests.unit.sandbox.browser import chromium, open_page, running_browser


def test_the_list_names_each_page_on_a_line(capsys) -> None:
    assert run(["guide"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(ORDER)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", ["first-order", "First-Order.md", "first-o"])
def test_in_a_pipe_a_page_is_its_markdown(name: str, capsys) -> None:
    assert run(["guide", name]) == 0
    assert capsys.readouterr().out == read_page("first-order").text


def test_on_a_terminal_a_page_is_laid_out(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    assert run(["guide", "glossary"]) == 0
    out = capsys.readouterr().out
    assert "**Journal**" not in out
    assert "Journal" in out
    assert max(map(len, re.sub("\x1b[^m]*m", "", out).splitlines())) <= 70


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("limit5", "limits"),
        ("m", "many-machines, migration"),
        ("first", "first-order, first-hour"),
        ("zzz", "glossary"),
    ],
)
def test_another_name_is_told_the_nearest(name: str, named: str, capsys) -> None:
    assert run(["guide", name]) == 2
    assert named in capsys.readouterr().err


def test_the_site_is_whole_and_its_links_lead_somewhere(tmp_path: Path, capsys) -> None:
    assert run(["guide", "--html", str(tmp_path / "a" / "site")]) == 0
    assert run(["guide", "--html", str(tmp_path / "a" / "site")]) == 0  # again, over the older one
    assert f"{len(ORDER)} pages" in capsys.readouterr().out
    files = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "a" / "site").iterdir()}
    assert {"index.html", "index.js", "search.js", "style.css"} | {f"{name}.html" for name in ORDER} == files.keys()
    for name, text in files.items():
        for target, heading in re.findall(r'href="([a-z-]+\.html)(?:#([a-z0-9-]+))?"', text):
            assert target in files, f"{name} leads to {target}"
            assert not heading or f'id="{heading}"' in files[target], f"{name} leads to {target}#{heading}"
        assert ".md" not in re.findall(r'href="([^"]*)"', text)


def test_the_site_runs_nothing_that_a_page_holds() -> None:
    page = GuidePage("evil", "# <script>alert(1)</script>\n\nText <img src=x onerror=alert(1)>. More.\n\n## A `b`\n")
    html = site_files([page])["evil.html"].decode()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert '<h2 id="a-b">' in html


def test_what_pages_are_made_of_is_whole(capsys) -> None:
    assert run(["guide", "settings"]) == 0
    sections = capsys.readouterr().out.split("\n## ")[1:]
    assert sorted(section.partition("\n")[0] for section in sections) == sorted(KINDS)
    assert all(re.fullmatch(r".*\n\n`OCTOFFM_[A-Z_]+`(, by default `.+`)?\. (.+\n)+\n*", one) for one in sections)
    assert run(["guide", "commands"]) == 0
    text = capsys.readouterr().out
    assert "--fill-zeros" in text.partition("\n## octoffm orders create\n")[2].partition("\n## ")[0]
    assert {f"octoffm {name}" for name in octoffm.commands} <= set(re.findall("^## (.*)$", text, re.MULTILINE))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert run(["guide", "--html", str(tmp_path / "file" / "site")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.skipif(chromium() is None, reason="needs Chromium")
async def test_the_search_finds_sections_without_a_server(tmp_path: Path) -> None:
    for name, content in site_files([read_page(name) for name in ORDER]).items():
        (tmp_path / name).write_bytes(content)
    with running_browser(tmp_path / "profile") as port:
        async with open_page(port) as browser:
            await browser.open((tmp_path / "index.html").as_uri())
            await browser.fill("#search", "fence")
            assert await browser.run("document.querySelectorAll('#found li').length") > 0
            await browser.fill("#search", "unknown do I")
            await browser.until("document.querySelector('#found a').getAttribute('href')", NEEDLE)
            await browser.click("#found a")
            await browser.until("document.querySelector('h1')?.innerText", "Nothing twice, nothing lost")
            assert browser.errors == []


NEEDLE = "nothing-twice.html#unknown-what-do-i-do"
