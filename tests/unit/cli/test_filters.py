"""Times and known values as options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from octoffm_async.cli.filters import MOMENT_PARAM, OpenEnumParam
from octoffm_async.contract.outbound import OutboundStatus


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T08:00+02:00", datetime(2026, 11, 23, 6, tzinfo=UTC)),
        (" 2026-11-23T08:00:00.5Z ", datetime(2026, 11, 23, 8, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_times_with_a_zone_are_that_time(text, moment):
    assert MOMENT_PARAM.convert(text, None, None) == moment


def test_times_without_a_zone_are_local():
    assert MOMENT_PARAM.convert("2026-11-23", None, None) == datetime(2026, 11, 23).astimezone()


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("90min", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("3 d", timedelta(days=3)),
    ],
)
def test_times_may_be_so_long_ago(text, ago):
    assert abs(datetime.now(UTC) - ago - MOMENT_PARAM.convert(text, None, None)) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "999999d", "-1h", "1y", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_is_reported(text):
    with pytest.raises(click.BadParameter, match="is not a time"):
        MOMENT_PARAM.convert(text, None, None)


def test_known_values_are_taken_in_any_case_and_others_with_a_word(capsys):
    kind = OpenEnumParam(OutboundStatus)
    assert kind.convert("inPREPARATION", None, None) == "InPreparation"
    assert capsys.readouterr().err == ""
    assert kind.convert("Lost", None, None) == "Lost"
    assert "'Lost' is not one of Created, Accepted, InPreparation" in capsys.readouterr().err
    with pytest.raises(click.BadParameter, match="is empty"):
        kind.convert(" ", None, None)


def test_known_values_are_completed():
    context = click.Context(click.Command("x"))
    option = click.Option(["--status"])
    found = OpenEnumParam(OutboundStatus).shell_complete(context, option, "c")
    assert [item.value for item in found] == ["Created", "Cancelled"]
