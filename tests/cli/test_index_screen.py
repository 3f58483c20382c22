import io
import json
import sys
import time
from pathlib import Path

import pytest

from avsearch.catalog import State
from avsearch.cli import index_screen
from avsearch.cli.index_screen import Tally, event_record, said_of, shown_events
from avsearch.moments import SECOND_US
from indexer.events import Committed, FileDone, Found, Walking

MINUTE_US = 60 * SECOND_US


def done(num_bytes=1000, state=State.INDEXED, **more):
    return FileDone(path=Path("a.mp4"), num_bytes=num_bytes, state=state, **more)


def tally_of(*timed_events):
    tally = Tally()
    for event, now_s in timed_events:
        tally = tally.after(event, now_s)
    return tally


def found(num_files=4, num_bytes=8000, **more):
    return Found(**{"num_unchanged": 0, "num_missing": 0, "num_removed": 0, **more,
                    "num_files": num_files, "num_bytes": num_bytes})  # fmt: skip


def test_the_time_left_is_that_of_the_bytes_left_at_the_rate_so_far():
    """2,000 of 8,000 bytes in 10 s: 30 s more; five seconds later, 25."""
    tally = tally_of((Walking(4), 0.0), (found(), 100.0), (done(2000), 110.0))
    assert tally.left_s(110.0) == pytest.approx(30.0)
    assert tally.left_s(115.0) == pytest.approx(25.0)
    assert tally.left_s(999.0) == 0.0


def test_nothing_is_foretold_before_the_first_file_is_done():
    tally = tally_of((found(), 100.0))
    assert tally.left_s(105.0) is None
    assert tally.figures(105.0) == "0/4 files, 0 s"


def test_files_without_a_byte_do_not_stop_the_figures():
    tally = tally_of((found(2, 0), 0.0), (done(0, State.FAILED, reason="is empty"), 1.0))
    assert tally.figures(2.0) == "1/2 files, 0 s, 1 failed"


def test_times_real_time_is_media_over_the_time_since_reading_began():
    tally = tally_of((Walking(4), 0.0), (found(), 100.0), (done(duration_us=2 * MINUTE_US), 110.0))
    assert tally.times_real_time == pytest.approx(12.0)


def test_the_line_has_files_media_speed_failures_and_the_time_left():
    events = [(found(), 0.0), (done(2000, State.FAILED, reason="is empty"), 5.0)]
    events += [(done(2000, duration_us=30 * MINUTE_US), 60.0), (Committed(2), 60.0)]
    assert tally_of(*events).figures(61.0) == "2/4 files, 30.0 min, 30 x real time, 1 failed, 0:00:59 left"


def test_a_new_walk_begins_new_figures():
    tally = tally_of((found(), 0.0), (done(), 5.0), (Walking(7), 9.0))
    assert tally.figures(9.0) == "7 files seen"


def test_what_there_is_to_do_is_said_without_zeros():
    assert said_of(found(1, 2500)) == "index: 1 file to read (2.5 kB)"
    assert said_of(found(2, 10, num_unchanged=3, num_missing=1, num_removed=5)) == (
        "index: 2 files to read (10 bytes), 3 unchanged, 1 missing, 5 removed earlier and left out"
    )


def test_another_job_goes_by_its_own_name(capsys):
    with shown_events(as_json=False, doing="repair") as tell:
        tell(found())
    assert capsys.readouterr().err.splitlines() == ["repair: 4 files to read (8.0 kB)"]


def test_every_field_of_every_event_is_in_its_json():
    """Told by values that occur once."""
    events = {
        Walking(11): {11},
        Found(11, 12, 13, 14, 15): {11, 12, 13, 14, 15},
        Committed(11): {11},
        FileDone(Path("p"), 11, State.FAILED, "r", is_copy=True, duration_us=12 * SECOND_US, num_images=13,
                 num_sounds=14, num_silent=15, num_still=16): {"p", 11, "failed", "r", True, 12.0, 13, 14, 15, 16},
    }  # fmt: skip
    for event, values in events.items():
        record = event_record(event)
        assert set(record.values()) - {record["event"]} == values


def test_plain_lines_tell_each_stage_and_then_go_on_even_while_no_file_ends(monkeypatch, capsys):
    monkeypatch.setattr(index_screen, "PLAIN_EVERY_S", 0.05)
    with shown_events(as_json=False) as tell:
        tell(Walking(0))
        tell(found())
        tell(done(duration_us=MINUTE_US))
        tell(Committed(1))
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["find: looking for media files", "index: 4 files to read (8.0 kB)"]
    assert len(lines) >= 4
    assert all(line.startswith("index: 1/4 files, 1.0 min, ") for line in lines[2:])
    assert all(line.endswith(", 1 committed") for line in lines[2:])


def test_plain_lines_end_with_the_last_file(monkeypatch, capsys):
    monkeypatch.setattr(index_screen, "PLAIN_EVERY_S", 0.02)
    with shown_events(as_json=False) as tell:
        tell(found(1))
        tell(done())
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines() == ["index: 1 file to read (8.0 kB)"]


def test_later_rounds_of_a_watch_are_silent_while_there_is_nothing_to_do(capsys):
    with shown_events(as_json=False) as tell:
        for event in (Walking(1), found(1), done(), Walking(1), found(0, 0), Walking(1), found(2)):
            tell(event)
    assert capsys.readouterr().err.splitlines() == [
        "find: looking for media files",
        "index: 1 file to read (8.0 kB)",
        "index: 2 files to read (8.0 kB)",
    ]


def test_json_events_go_to_stdout_and_words_to_stderr(capsys):
    with shown_events(as_json=True) as tell:
        for event in (Walking(4), found(), done(), Committed(1)):
            tell(event)
    out, errors = capsys.readouterr()
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["walking", "found", "file", "committed"]
    assert "index: 4 files to read" in errors


def test_a_terminal_shows_a_bar_with_the_figures(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with shown_events(as_json=False) as tell:
        for event in (Walking(2), found(2, 4000), done(2000, duration_us=MINUTE_US), done(2000)):
            tell(event)
    assert "2/2 files, 1.0 min" in screen.getvalue()
    assert "━" in screen.getvalue()
