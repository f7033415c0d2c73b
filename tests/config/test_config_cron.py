"""What we call a schedule, Airflow takes."""

from __future__ import annotations

import croniter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.config.cron import PRESETS, wrong


@pytest.mark.parametrize(
    "schedule",
    [
        "*/5 * * * *",
        "0 6 * * mon-fri",
        "0 0 L * *",
        "15,45 8-18/2 * jan,JUL *",
        "0 0 29 2 *",
        "0 0 ? * 5#2",
        "* * * * * */10",
        "0 0 31 2 1",
        *PRESETS,
    ],
)
def test_right(schedule: str) -> None:
    assert wrong(schedule) is None


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("", "five fields"),
        ("*/5 * * *", "this has 4"),
        ("60 * * * *", "minute: 60 is not between 0 and 59"),
        ("* 24 * * *", "hour: 24"),
        ("* * 0 * *", "day of month: 0"),
        ("* * * 13 *", "month: 13"),
        ("* * * * 8", "day of week: 8"),
        ("*/0 * * * *", "step"),
        ("5-1 * * * *", "ends before it begins"),
        ("a * * * *", "minute: a"),
        ("1;2 * * * *", "is not a number"),
        ("0 0 31 4,6 *", "never run"),
        ("0 0 30 2 *", "never run"),
        ("@hourl", "@hourly, @daily"),
        ("@continuous", "no preset"),
        ("every day", "five fields"),
    ],
)
def test_wrong(schedule: str, words: str) -> None:
    assert words in (wrong(schedule) or "")


field = st.lists(
    st.from_regex(r"(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?", fullmatch=True), min_size=1, max_size=3
).map(",".join)


@given(st.lists(field, min_size=5, max_size=6).map(" ".join))
def test_whatever_is_right_is_right_for_airflow_s_croniter(schedule: str) -> None:
    if wrong(schedule) is None:
        assert croniter.croniter.is_valid(schedule)
