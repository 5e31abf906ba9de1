"""What a person who waits is told: which rung of how many, how long it still takes, and never nothing for long."""

from __future__ import annotations

import io
import sys
import time

import pytest

from ockham.cli import progress
from ockham.records import Progress


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines_of(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_a_rung_says_which_of_how_many_it_is() -> None:
    stream = io.StringIO()
    progress._Lines(stream)(Progress(stage="climb", message="building encoder", rung=5, rungs=9))
    assert lines_of(stream) == ["climb: rung 5 of 9: building encoder"]


def test_long_work_is_estimated_from_its_own_first_seconds(clock: Clock) -> None:
    stream = io.StringIO()
    on_progress = progress._Lines(stream, resumes=True, clock=clock)
    for done in range(1, 13):
        on_progress(Progress(stage="climb", message="tuning", done=done, total=700))
        clock.now += 0.5
    assert lines_of(stream) == [
        "climb: tuning (1 of 700)",
        "climb: tuning (7 of 700, about 6 min left; Ctrl-C keeps what is done)",
    ], "said once, when three seconds were watched: 6 batches in 3 s, 693 to go"


def test_what_cannot_be_resumed_is_not_said_to_be_kept(clock: Clock) -> None:
    stream = io.StringIO()
    on_progress = progress._Lines(stream, clock=clock)
    for done in (0, 1):
        on_progress(Progress(stage="measure", message="answering", done=done, total=30))
        clock.now += 4
    assert lines_of(stream)[-1] == "measure: answering (1 of 30, about 2 min left)"


def test_short_work_is_not_announced(clock: Clock) -> None:
    stream = io.StringIO()
    on_progress = progress._Lines(stream, resumes=True, clock=clock)
    for done in range(101):
        on_progress(Progress(stage="climb", message="tuning", done=done, total=100))
        clock.now += 0.1
    assert "Ctrl-C" not in stream.getvalue()
    assert "climb: tuning (62 of 100, about 4 s left)" in lines_of(stream)


def test_quick_work_has_a_line_every_few_seconds_and_always_its_last(clock: Clock) -> None:
    stream = io.StringIO()
    on_progress = progress._Lines(stream, clock=clock)
    for done in range(101):
        on_progress(Progress(stage="climb", message="reading 100 rows", done=done, total=100))
        clock.now += 0.01
    assert lines_of(stream) == ["climb: reading 100 rows (0 of 100)", "climb: reading 100 rows (100 of 100)"]
    for done in range(11):
        on_progress(Progress(stage="climb", message="learning rules", done=done, total=10))
        clock.now += 1
    assert [line.partition(" (")[2].partition(" of ")[0] for line in lines_of(stream)[2:]] == ["0", "3", "6", "9", "10"]


def test_work_that_went_on_is_estimated_by_what_was_done_since(clock: Clock) -> None:
    estimate = progress._Estimate(clock)
    assert estimate.seconds_left(Progress(stage="climb", message="tuning", done=600, total=700)) is None
    clock.now += 10
    assert estimate.seconds_left(Progress(stage="climb", message="tuning", done=610, total=700)) == pytest.approx(90)
    clock.now += 1
    assert estimate.seconds_left(Progress(stage="climb", message="other", done=5, total=700)) is None


def test_no_silence_is_long(clock: Clock) -> None:
    stream = io.StringIO()
    on_progress = progress._Lines(stream, clock=clock)
    on_progress.beat()
    on_progress(Progress(stage="climb", message="building linear", rung=3, rungs=4))
    for _ in range(21):
        clock.now += 1
        on_progress.beat()
    assert lines_of(stream)[1:] == [
        "climb: rung 3 of 4: building linear (9 s so far)",
        "climb: rung 3 of 4: building linear (18 s so far)",
    ]


def test_after_a_note_the_work_before_it_goes_on(clock: Clock) -> None:
    stream = io.StringIO()
    on_progress = progress._Lines(stream, clock=clock)
    on_progress(Progress(stage="measure", message="asking a model about 25 rows"))
    on_progress(Progress(stage="measure", message="note: 2 labels are spelt otherwise"))
    clock.now += 10
    on_progress.beat()
    assert lines_of(stream) == [
        "measure: asking a model about 25 rows",
        "measure: note: 2 labels are spelt otherwise",
        "measure: asking a model about 25 rows (10 s so far)",
    ]


def test_the_display_of_a_pipe_beats_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_SILENCE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_BEAT_SECONDS", 0.01)
    with progress.progress_display() as on_progress:
        on_progress(Progress(stage="climb", message="building linear"))
        for _ in range(500):
            if len(lines_of(stream)) > 1:
                break
            time.sleep(0.01)
    assert lines_of(stream)[1].startswith("climb: building linear (0 s so far)")
    written = stream.getvalue()
    time.sleep(0.05)
    assert stream.getvalue() == written, "nothing is said when the work is over"
