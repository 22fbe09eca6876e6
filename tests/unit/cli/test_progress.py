import io
import json

import pytest
from rich.console import Console

from octoffm_async.cli import progress as show_module
from octoffm_async.cli.progress import JsonDisplay, PlainDisplay, StepResult, TerminalDisplay, counts_text, display_for

RESULT = StepResult(
    step="register", counts={"created": 1500, "refused": 2, "failed": 0}, calls=16, throttled=1, retries=1, seconds=2.0
)
FACTS = {"rejects file": None, "rows": 1502, "where": "here"}


def play(show) -> None:
    show.begin("register")
    show.progress(0.5, {"created": 700})
    show.end(RESULT)
    show.summary([RESULT], FACTS, "Next: nothing")
    show.close()


def test_only_outcomes_that_occurred_are_reported():
    assert counts_text(RESULT.counts) == "1,500 created, 2 refused"
    assert counts_text({}) == "nothing"
    assert counts_text({"refused": 2}, styled=True) == "[yellow]2 refused[/]"


def test_plain_lines_hold_every_figure(capsys):
    play(PlainDisplay())
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["register ...", "register: 1,500 created, 2 refused in 2.0 s"]
    assert lines[4].split()[-5:] == ["16", "1", "1", "2.0", "751"]
    assert lines[5:] == ["rejects file: none", "rows: 1,502", "where: here", "", "Next: nothing"]


def test_a_long_step_speaks_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(show_module.time, "monotonic", lambda: now[0])
    show = PlainDisplay()
    show.begin("ship")
    for now[0] in (1.0, 11.0, 12.0, 22.0):
        show.progress(now[0] / 22, {"created": int(now[0])})
    assert capsys.readouterr().out.splitlines()[1:] == ["ship: 50%, 11 created", "ship: 100%, 22 created"]


def test_json_lines_can_be_read_back(capsys):
    play(JsonDisplay())
    step, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert step["event"] == "step"
    assert step["items_per_second"] == 751.0
    assert summary == {"event": "summary", "rejects_file": None, "rows": 1502, "where": "here"}


def test_a_terminal_gets_bars_that_go_and_lines_that_stay(monkeypatch):
    console = Console(force_terminal=True, width=100, record=True, file=io.StringIO())
    monkeypatch.setattr(show_module, "SafeConsole", lambda: console)
    play(TerminalDisplay())
    text = console.export_text()
    assert "✓ Register     2.0 s  1,500 created, 2 refused" in text
    assert "where: here" in text
    assert "items/s" in text


@pytest.mark.parametrize(("terminal", "json", "kind"), [(True, False, TerminalDisplay), (False, False, PlainDisplay)])
def test_the_way_to_show_fits_the_output(monkeypatch, terminal, json, kind):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert isinstance(display_for(json=json), kind)
    assert isinstance(display_for(json=True), JsonDisplay)
