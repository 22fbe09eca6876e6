"""The benchmarks' harness at tiny sizes: same work for all, nothing left out, rounds interleaved."""

import json
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.__main__ import main, parse
from benchmarks.answers import CREATED_ID, HEADERS, ORDER, PAGE, PAGE_BODY, RENAMES, facts, renamed, respelled, stock
from benchmarks.bench import Bench, StubProcess, Work, WrongWorkError
from benchmarks.child import Child, ChildFailedError, Start, read_line, spawn
from benchmarks.options import Options
from benchmarks.parts import PARTS, named
from benchmarks.parts.decode import decoder, page_for, ways
from benchmarks.parts.million_rows import COMMAND, check, leg, write_catalogue
from benchmarks.peers import CONTRACT, ENTRIES, LEARNED, TUNED, installed, missing
from benchmarks.peers.plain_models import Stock
from benchmarks.report import text_of
from benchmarks.rounds import Case, Column, Lines, Table, interleave
from benchmarks.stub import CREATED, FACES, STOCK
from octoffm_async.sandbox import SandboxProcess

ALWAYS = ("octoffm_async", TUNED, "aiohttp naive")
RESPELLED = (LEARNED, CONTRACT)
PAGES = 2


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Options(rounds=1, size=10, pin=False)) as bench:
        yield bench


@pytest.fixture(scope="module")
def stub(bench: Bench) -> StubProcess:
    return bench.stub()


@pytest.fixture(scope="module")
def children(bench: Bench, stub: StubProcess) -> dict[str, Child]:
    return bench.peers(installed(names=(*ALWAYS, *RESPELLED)), stub.target)


def test_all_peers_send_and_decode_the_same(stub, children):
    stub.set(pages=PAGES)
    first, last = (facts(Stock.from_dict(stock(number))) for number in (0, PAGE - 1))
    for name, child in children.items():
        created = CREATED_ID % (stub.counts().posts + 1)
        expected = {"post": created, "get": first, "rows": PAGES * PAGE, "last": last}
        assert child.measure(kind="facts") == json.loads(json.dumps(expected)), name
        order = respelled(ORDER, renamed) if name == CONTRACT else ORDER
        assert json.loads(stub.counts().last_order) == order, name


def test_pages_in_other_names_hold_as_many_bytes_and_none_of_the_usual_names():
    usual, pascal, renames = (face.page for face in FACES)
    assert len(usual) == len(pascal) == len(renames)
    assert all(f'"{name}":'.encode() not in renames for name in RENAMES)
    assert set(json.loads(pascal)) == {"ItemsPerPage", "Items"}
    assert not {name for name in stock(0) if f'"{name}":'.encode() in pascal}


def test_all_ways_of_decoding_find_the_same_in_their_pages():
    expected = [facts(Stock.from_dict(stock(number))) for number in range(PAGE)]
    for way in ways():
        decode, page = decoder(way), page_for(way)
        for _ in range(2):  # what is learned from the first page reads the second one
            assert [facts(row) for row in decode(page)] == expected, way


@pytest.mark.parametrize(("kind", "counted"), [("post", "posts"), ("get", "gets"), ("page", "pages")])
def test_the_stub_counts_what_each_peer_was_asked_to_do(stub, children, kind, counted):
    stub.set(pages=PAGES)
    answered = {"post": len(CREATED), "get": len(STOCK), "page": PAGES * len(PAGE_BODY)}[kind]
    sent = []
    for name, child in children.items():
        child.measure(kind=kind, count=1, in_flight=1)  # with it, ours fetches its token
        before = stub.counts()
        spent = child.measure(kind=kind, count=6, in_flight=3)
        after = stub.counts()
        assert getattr(after, counted) - getattr(before, counted) == 6 * (PAGES if kind == "page" else 1), name
        assert after.requests - before.requests == 6 * (PAGES if kind == "page" else 1), name
        assert after.tokens == before.tokens, name
        assert 0 <= after.bytes_out - before.bytes_out - 6 * answered < 6 * 600, name  # 600: heads and Links
        assert 0 < spent["loop"] <= spent["cpu"] + 0.01, name
        sent.append(after.bytes_in - before.bytes_in)
    assert max(sent) < 1.4 * min(sent)


def test_a_peer_that_does_not_do_its_work_is_found_out(bench, stub):
    class Idle:
        def measure(self, **order):
            return {"wall": 1.0, "cpu": 1.0, "loop": 1.0}

    with pytest.raises(WrongWorkError, match="idle: 0 posts instead of 10"):
        bench.case("idle", Idle(), stub, Work("post", 5)).measure()


def test_the_stub_answers_in_order_however_requests_are_cut(stub):
    fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    body = json.dumps(ORDER)
    post = f"POST /seller/v2/outbound-shipments HTTP/1.1\r\n{fields}content-length: {len(body)}\r\n\r\n{body}"
    get = f"GET /seller/v2/stocks/7 HTTP/1.1\r\n{fields}\r\n"
    wrong = "GET /nowhere HTTP/1.1\r\n\r\n"
    sent = (post + get + post + wrong).encode()
    posts = stub.counts().posts
    expected = CREATED % (posts + 1) + STOCK + CREATED % (posts + 2)
    port = int(stub.target.origin.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), 97):
            connection.sendall(sent[start : start + 97])
        answered = b""
        while not (answered.startswith(expected) and b" 404 " in answered[len(expected) :]):
            part = connection.recv(1 << 16)
            assert part, answered
            answered += part


def test_the_stub_waits_as_long_as_requested(stub, children):
    call = {"kind": "get", "count": 1, "in_flight": 1}
    stub.set(latency=0.05)
    started = time.monotonic()
    children[TUNED].measure(**call)
    assert time.monotonic() - started >= 0.05
    stub.set()
    assert children[TUNED].measure(**call)["wall"] < 0.05


def test_a_child_that_fails_says_why():
    with (
        Child("benchmarks.peers.driver:PeerSubject", {"peer": TUNED, "target": []}) as child,
        pytest.raises(ChildFailedError, match=r"Traceback[\s\S]*TypeError"),
    ):
        child.wait_ready()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_child_whose_parent_was_killed_measures_no_more(capfd, loop):
    subject = "tests.support.endless:Endless"
    child = spawn("benchmarks.child", Start(subject=subject, settings={}, loop=loop, cpus=[]))
    with child:
        try:
            assert json.loads(read_line(child, 50)) == {"figures": {}}
            child.stdin.write(b"{}\n")
            child.stdin.close()
            assert child.wait(50) != 0
        finally:
            child.kill()
    assert "tidied up" in capfd.readouterr().err


def test_rounds_are_interleaved_and_figures_stay_with_their_case():
    clock = iter(range(100))
    measured = interleave([Case(name, lambda: {"cpu": float(next(clock))}) for name in "ABC"], 5)
    rounds = [measured.order[at : at + 3] for at in range(0, 15, 3)]
    assert all(sorted(each) == list("ABC") for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1  # nobody always has the same one before it
    assert list(measured.figures) == list("ABC")
    for name, figures in measured.figures.items():
        assert figures["cpu"] == [at for at, each in enumerate(measured.order) if each == name]


def table(**figures: list[float]) -> Table:
    return Table(
        name="t",
        title="A title",
        columns=[Column("cpu", "CPU µs"), Column("cpu", "× CPU", 2, "base")],
        figures={name: {"cpu": values} for name, values in figures.items()},
        lead="cpu",
        order=list(figures),
    )


def test_ratios_are_taken_within_each_round():
    drifting = table(slow=[30.0, 60.0, 90.0], base=[10.0, 30.0, 90.0])
    assert drifting.median("slow", "cpu") == 60
    ratio = drifting.columns[1]
    assert drifting.cell("slow", ratio) == 2  # of 3, 2 and 1; not 60 / 30 by chance
    assert drifting.quartiles("slow", ratio) == (1, 3)
    assert table(slow=[3.0, 80.0, 9.0], base=[1.0, 8.0, 9.0]).cell("slow", ratio) == 3


def test_a_table_shows_the_spread_of_its_figures():
    figures = table(slow=[8.0, 100.0, 9.0, 10.0, 11.0], base=[1.0] * 5)
    assert "10.0 [9.0..11.0]" in text_of(figures)  # one round beside something else is no spread
    assert "9.0 [8.0..11.0]" in text_of(table(slow=[8.0, 11.0, 9.0], base=[1.0] * 3))


def test_a_table_is_printed_from_the_fastest_to_the_slowest():
    lines = text_of(table(slow=[2000.0], base=[10.0])).splitlines()
    assert lines[0] == "A title"
    assert [line.split() for line in lines[3:5]] == [["base", "10.0", "1.00"], ["slow", "2,000.0", "200.00"]]


def test_a_run_writes_complete_json(tmp_path, capsys):
    asked = [text for name in ALWAYS[:2] for text in ("--peer", name)]
    settings = ["--rounds", "2", "--size", "8", "--in-flight", "4", "--no-plots", "--out", str(tmp_path)]
    assert main(["calls", *settings, *asked]) == 0
    printed = capsys.readouterr().out
    saved = json.loads((tmp_path / "calls.json").read_bytes())
    assert saved["surroundings"]["rounds"] == 2
    assert saved["surroundings"]["packages"]["aiohttp"]
    assert [one["name"] for one in saved["tables"]] == ["post", "get"]
    for one in saved["tables"]:
        assert sorted(one["order"]) == sorted([*ALWAYS[:2], *ALWAYS[:2]])
        assert set(one["figures"]) == set(one["summary"]) == set(ALWAYS[:2])
        for name, figures in one["figures"].items():
            assert figures["requests"] == [8, 8], name
            assert all(len(values) == 2 for values in figures.values()), name
            assert min(figures["cpu"] + figures["wall"] + figures["stub"]) > 0, name
            assert f"{one['summary'][name]['wall µs/call']:,.1f}" in printed
        assert one["summary"][TUNED]["× CPU"] == 1


def test_plots_name_everything_they_show(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks import plots

    drawn = plots.bars(tmp_path / "bars.svg", "A title", "CPU µs", {"ours": 1.5, "theirs": 1200.0}, baseline="theirs")
    texts = drawn.read_text()
    assert all(
        f">{text}<" in texts
        for text in ("A title", "CPU µs (less is better)", "ours", "theirs (baseline)", "1.5", "1,200")
    )
    content = Lines(
        name="l", title="Lines", x_label="x axis", y_label="y axis", series={"first": [(1, 2), (10, 3)], "second": []}
    )
    texts = plots.lines(tmp_path / "lines.svg", content).read_text()
    assert all(f">{text}<" in texts for text in ("Lines", "x axis", "y axis", "first", "second"))


@pytest.mark.one_loop
async def test_the_rows_of_a_large_catalogue_are_sent_once_and_resumed(tmp_path):
    write_catalogue(tmp_path / "catalogue.csv", 3000)
    words = [*COMMAND, "products", "create", "catalogue.csv", "--rate", "2/1", "--patience", "1"]
    async with SandboxProcess(seed=1) as sandbox:
        first = await leg(sandbox, words, tmp_path, until=100, by=signal.SIGINT)
        assert (first.code, first.again) == (130, "octoffm " + " ".join(words[3:]))
        assert 100 <= first.created < 3000
        second = await leg(sandbox, [*words[:-3], "off", *words[-2:]], tmp_path)
        assert (second.code, second.created, second.known) == (0, 3000 - first.created, first.created)
        await check(sandbox, 3000)
        with pytest.raises(RuntimeError, match="3000 products instead of 2999"):
            await check(sandbox, 2999)
    assert second.peak > 10 or sys.platform != "linux"


def test_parts_are_found_by_name_and_all_can_run():
    assert [part.name for part in named(["journal-large", "tls"])] == ["journal_large", "tls"]
    assert [part.name for part in named([])] == [part.name for part in PARTS if part.default]
    assert all(callable(part.run) for part in PARTS)
    with pytest.raises(LookupError, match="no part nothing; there are ceiling"):
        named(["nothing"])


def test_what_is_not_there_is_said_before_anything_is_measured(capsys):
    assert main(["nothing"]) == 2
    assert main(["calls", "--peer", "nobody"]) == 2
    assert capsys.readouterr().err.splitlines()[1] == "no such peer, or not installed: nobody"
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(part.name in listed for part in PARTS)
    assert listed.count("(not installed)") == len(missing()) <= len(ENTRIES) - len(ALWAYS)


def test_quick_can_be_overruled():
    names, options = parse(["calls", "--part", "tls", "--quick", "--rounds", "7"])
    assert (names, options.rounds, options.seconds, options.size) == (["calls", "tls"], 7, 0.05, None)


def test_a_measurement_lasts_about_as_long_as_asked():
    assert Options(seconds=0.4).calls(0.001) == 400
    assert Options(seconds=0.4).calls(0.1, least=500) == 500
    assert Options(seconds=0.4, size=7).calls(0.001, least=500) == 7


def test_stub_and_clients_keep_to_processors_of_their_own():
    stub, client = Options().processors()
    assert not set(stub) & set(client)
    assert bool(stub) == bool(client)
    assert Options(pin=False).processors() == ([], [])


def test_a_page_shows_what_was_measured_where_and_when(tmp_path, capsys):
    settings = ["--rounds", "2", "--size", "2", "--out", str(tmp_path)]
    assert main(["fan_out", *settings]) == 0
    assert main(["page", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "README.md").read_text()
    saved = json.loads((tmp_path / "fan_out.json").read_bytes())
    assert saved["surroundings"]["date"] in page
    assert f"msgspec {saved['surroundings']['packages']['msgspec']}" in page
    for one in saved["tables"]:
        assert one["text"] in page
        assert all(subject in page for subject in one["figures"])
    for picture in tmp_path.glob("*.svg"):
        assert f"]({picture.name})" in page
    assert main(["page", "--out", str(tmp_path / "empty")]) == 2
    assert "no results in" in capsys.readouterr().err
