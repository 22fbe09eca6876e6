import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.cli.files.recording import RateHistogram, RejectedExample, RunStats, bucket_end
from octoffm_async.cli.files.report import report_page, write_report
from octoffm_async.cli.files.report_charts import bars, curve
from octoffm_async.cli.files.tally import FileCounts, OutcomeText
from octoffm_async.events import AttemptFinished, RetryScheduled, Throttled
from octoffm_async.tabular.item_types import ORDERS
from octoffm_async.text import UnwritableOutputError
from tests.unit.tabular.files import ORDER_HEADER, ORDER_VALUES, order_row, reading

EVIL = '<script>alert("1")</script>&\x1b[31m'


def test_what_was_read_of_a_file_and_is_under_way_is_not_done(tmp_path: Path) -> None:
    rows = [ORDER_HEADER, *(order_row(f"R-{number}") for number in range(4))]
    (tmp_path / "orders.csv").write_text("\n".join(rows), "utf-8")
    items = reading(tmp_path / "orders.csv", ORDERS, pytest.fail, values=ORDER_VALUES)
    assert (FileCounts().share(items), len(list(items))) == (0.0, 4)
    assert [FileCounts(created=number).share(items) for number in (0, 1, 4)] == [0.0, 0.25, 1.0]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Page(HTMLParser):
    """The tags of a page, its text, and whether each that was opened is closed."""

    VOID = ("meta", "line", "rect", "polygon", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def attempt(status: int = 201, seconds: float = 0.05, operation: str = "outbound.create") -> AttemptFinished:
    return AttemptFinished(
        call=1, operation=operation, method="POST", seller_id="1", server="s", attempt=1, status=status, seconds=seconds
    )


@pytest.fixture
def recording():
    clock = Clock()
    made = RunStats(clock)
    for second in range(300):
        clock.now = float(second)
        made(attempt(seconds=0.02 + second / 1000))
        made.count_decided(7)
    made(attempt(status=429))
    made(attempt(operation="token.create"))
    made(Throttled(call=1, seller_id="1", group="outbound", pause=2.5, told=True))
    made(RetryScheduled(call=1, operation="outbound.create", seller_id="1", attempt=1, delay=1, reason="429"))
    made.record_rejected("refused", EVIL, RejectedExample(EVIL, 12, EVIL))
    made.record_rejected("unknown", "", RejectedExample("LOST-1", None, "the connection broke"))
    return made


def tally() -> FileCounts:
    made = FileCounts(created=2100)
    made.add(OutcomeText("refused"))
    made.add(OutcomeText("unknown"))
    return made


def test_a_page_reports_all_and_escapes_its_input(recording):
    text = report_page("orders", f"{EVIL}.csv", tally(), {"run": EVIL, "report": None}, recording)
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "\x1b" not in text
    for part in ("2,100", "created", "429", "LOST-1", "the connection broke", "90 % within", "items per second", "12"):
        assert part in page.text
    assert "alert" in page.text
    ends = re.findall('<div class="x">(.*?)</div>', text)
    assert (len(ends), ends[0] == ends[2]) == (3, True)  # two charts over the same time, one of durations


def test_a_page_needs_no_network(recording):
    text = report_page("orders", "o.csv", tally(), {}, recording)
    assert not re.search(r"https?://|//[a-z]", text)
    names = {name for name, _ in Page(text).attributes}
    assert not names & {"src", "href", "onload", "onclick"}
    assert "default-src 'none'" in text
    assert "width=device-width" in text
    assert "prefers-color-scheme:dark" in text


def test_a_run_without_anything_has_a_page_too():
    page = Page(report_page("orders", "o.csv", FileCounts(), {}, RunStats(Clock())))
    assert "There was nothing to do." in page.text
    assert "No call was made." in page.text


def test_latency_is_right_to_within_a_quarter(recording):
    assert recording.latency_quantile(0.5) == pytest.approx(0.02 + 0.15, rel=0.26)
    assert recording.latency_quantile(1.0) == pytest.approx(0.319, rel=0.01)
    assert recording.statuses == {201: 300, 429: 1}


def test_what_is_kept_is_bounded():
    clock = Clock()
    made = RunStats(clock)
    for number in range(3000):
        clock.now = number * 100.0
        made(attempt(status=200 + number % 5, seconds=number * 10.0))
        made.count_decided()
        made.record_rejected("refused", f"CODE-{number}", RejectedExample("k", 1, "m"))
        made.record_rejected("unknown", "", RejectedExample("k", 1, "m"))
    assert len(made.decided.counts) <= 120
    assert sum(made.decided.counts) == 3000
    assert len(made.codes) <= 101
    assert sum(made.codes.values()) == 3000
    assert (len(made.undecided), made.undecided_count) == (200, 3000)


def axis(chart: str, name: str) -> list[str]:
    return re.findall(r"<span[^>]*>(.*?)</span>", re.findall(f'<div class="{name}">(.*?)</div>', chart)[0])


@pytest.mark.parametrize(
    ("counts", "width", "times", "rates"),
    [
        ([3] * 100, 0.01, ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"], ["0/s", "200/s", "400/s"]),
        ([700] * 110, 327.68, ["0", "2 h", "4 h", "6 h", "8 h", "10 h"], ["0/s", "2/s", "4/s"]),
        ([0, 7], 150.0, ["0", "1 min", "2 min", "3 min", "4 min", "5 min"], ["0/s", "0.05/s"]),
        ([0], 0.01, ["0", "0.002 s", "0.004 s", "0.006 s", "0.008 s", "0.01 s"], ["0/s", "0.5/s", "1/s"]),
    ],
    ids=["a second", "ten hours", "five minutes", "nothing"],
)
def test_a_rate_has_axes_with_values_and_units_for_any_time(counts, width, times, rates):
    chart = curve(counts, width, len(counts) * width, "items")
    assert axis(chart, "x") == times
    assert axis(chart, "y") == rates


def test_a_few_events_are_no_row_of_needles():
    chart = curve([1, 0, 0, 0, 0] * 20, 0.01, 1.0, "items")
    assert len(re.findall(r"\d,", re.findall('points="(.*?)"', chart)[0])) <= 2 + 2 * 24
    assert ": 25 at most, 20 on average" in chart


@given(st.integers(0, 60), st.integers(1, 12))
def test_the_labels_of_buckets_differ(first, number):
    chart = bars([(bucket_end(place), place) for place in range(first, first + number)], "requests")
    labels = axis(chart, "x")
    assert len(labels) == len(set(labels)) <= 6
    assert axis(chart, "y")[0] == "0"


@given(st.lists(st.floats(0, 1e7, allow_nan=False), max_size=50), st.integers(2, 12))
def test_a_timeline_counts_everything_in_few_bins(moments, bins):
    line = RateHistogram(bins=bins)
    for moment in moments:
        line.add(moment)
    assert sum(line.counts) == len(moments)
    assert len(line.counts) <= bins
    assert line.width * bins > max(moments, default=0)
    last = max(moments, default=0.0)
    assert line.counts[int(last / line.width)] >= (1 if moments else 0)


def test_a_page_that_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(UnwritableOutputError, match="cannot write"):
        write_report(tmp_path, "x")
    write_report(tmp_path / "r.html", "\ud800")
    assert Path(tmp_path / "r.html").read_text() == "\\ud800"
