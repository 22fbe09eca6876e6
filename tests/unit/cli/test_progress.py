import asyncio
import io
import json

import pytest
from msgspec.structs import replace
from rich.console import Console

from octoffm_async.bulk.outcomes import Summary
from octoffm_async.cli import progress as show_module
from octoffm_async.cli.progress import (
    CommandResults,
    Display,
    JsonDisplay,
    QuietDisplay,
    StepResult,
    TerminalDisplay,
    counts_text,
    display_for,
    refreshing,
    steps_table,
    wait_text,
)
from octoffm_async.ratelimit.stats import KeyStats, Stats

RESULT = StepResult(
    step="register", counts={"created": 1500, "refused": 2, "failed": 0}, calls=16, throttled=1, retries=1, seconds=2.0
)
FACTS = {"rejects file": None, "rows": 1502, "where": "here"}


def play(show) -> None:
    show.begin("register")
    show.progress(0.5, {"created": 700})
    show.message("a problem")
    show.end(RESULT)
    show.summary(CommandResults(steps_table([RESULT]), {"what": "products"}, FACTS, "Next: nothing"))
    show.close()


def test_only_outcomes_that_occurred_are_reported():
    assert counts_text(RESULT.counts) == "1,500 created, 2 refused"
    assert counts_text({}) == "nothing"
    assert counts_text({"refused": 2}, styled=True) == "[yellow]2 refused[/]"


def test_plain_lines_hold_every_figure(capsys):
    play(Display())
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "register: 1,500 created, 2 refused in 2.0 s"
    assert lines[2].split()[-5:] == ["16", "1", "1", "2.0", "751"]
    assert lines[3:] == ["", "rows   1,502", "where  here", "", "Next: nothing"]
    assert err == "a problem\n"


def test_a_long_step_speaks_now_and_then_and_says_what_it_waits_for(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(show_module.time, "monotonic", lambda: now[0])
    show = Display()
    show.begin("ship")
    for now[0] in (1.0, 31.0, 32.0, 62.0):
        show.progress(now[0] / 62, {"created": int(now[0])}, "paused by the API for 9 s" if now[0] > 60 else "")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "octoffm: ship: 50%, 31 created",
        "octoffm: ship: 100%, 62 created; paused by the API for 9 s",
    ]


KEY = KeyStats(
    seller_id="1", group="outbound", rate=9.0, ceiling=20.0, accepted=5, throttled=1, waiting=7, in_flight=0,
    in_flight_limit=10, paused_for=0.0,
)  # fmt: skip
STATS = Stats(
    calls=5, attempts=6, retries=1, throttled=1, tokens=1, waited=0.0, travelled=1.0, keys=(KEY,), token_age=5.0,
    token_left=100.0, retry_budget_left=5, circuit="closed",
)  # fmt: skip


@pytest.mark.parametrize(
    ("stats", "summary", "text"),
    [
        ({}, {}, ""),
        ({}, {"unknown": 3}, ""),
        ({"keys": (replace(KEY, paused_for=33.2),)}, {}, "paused by the API for 34 s"),
        ({"circuit": "open"}, {}, "the API fails: calls wait until it answers, 15 min at most"),
        ({"token_left": None}, {}, "waiting for a token, 15 min at most"),
        ({}, {"looking_up": 1}, "looking up 1 undecided item, about 2 min at most"),
        ({}, {"looking_up": 0, "following": 2000}, "following 2,000 items, 168 h at most"),
    ],
)
def test_a_wait_is_named_with_its_length(stats, summary, text):
    given = replace(STATS, **stats), Summary(**summary)
    assert wait_text(*given, deadline=900, patience=60, follow_for=604_800).replace("7 days", "168 h") == text


def test_a_run_is_looked_at_while_nothing_happens():
    async def main() -> None:
        looked = asyncio.Event()
        async with refreshing(looked.set):
            await looked.wait()

    asyncio.run(main())


def test_json_lines_can_be_read_back(capsys):
    play(JsonDisplay())
    step, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert step["event"] == "step"
    assert step["items_per_second"] == 751.0
    assert summary == {"event": "summary", "what": "products", "rejects_file": None, "rows": 1502, "where": "here"}


def test_a_quiet_display_prints_problems_only(capsys):
    play(QuietDisplay())
    assert capsys.readouterr() == ("", "a problem\n")


def test_a_terminal_gets_bars_that_go_and_lines_that_stay(monkeypatch):
    console = Console(force_terminal=True, width=100, record=True, file=io.StringIO())
    monkeypatch.setattr(show_module, "SafeConsole", lambda: console)
    play(TerminalDisplay())
    text = console.export_text()
    assert "✓ Register     2.0 s  1,500 created, 2 refused" in text
    assert "where  here" in text
    assert "items/s" in text


@pytest.mark.parametrize(("terminal", "kind"), [(True, TerminalDisplay), (False, Display)])
def test_the_way_to_show_fits_the_output(monkeypatch, terminal, kind):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert type(display_for(json=False)) is kind
    assert isinstance(display_for(json=True), JsonDisplay)
