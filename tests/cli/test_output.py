import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.cli.output import (
    counted,
    length_of,
    list_failures,
    print_json,
    print_line,
    print_path,
    print_table,
    say,
    shell_line,
    shown,
    shown_progress,
    size_of,
)
from avsearch.moments import Failed

EVIL = "a\x1b[2J\x07\n\r\x9b31m\u202eb\udcff.mp4"


def assert_harmless(text):
    assert all(letter.isprintable() for line in text.split("\n") for letter in line)


def test_no_control_character_of_a_name_reaches_the_terminal(capsys):
    say(EVIL)
    print_line(EVIL)
    print_table(["name"], [[EVIL]])
    list_failures([Failed(Path(EVIL), EVIL)])
    out, errors = capsys.readouterr()
    assert_harmless(out)
    assert_harmless(errors)
    assert len(out.splitlines()) == 3  # a line break in a name begins no line of its own


def test_json_is_harmless_on_a_terminal_and_still_says_the_exact_name(capsys):
    print_json({"path": EVIL, "text": "Ünïcödé 日本 🎬"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert_harmless(out)
    assert json.loads(out) == {"path": EVIL, "text": "Ünïcödé 日本 🎬"}
    assert "日本 🎬" in out


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name)


@given(NAMES)
def test_any_file_name_can_be_read_back_from_json(name):
    with pytest.MonkeyPatch.context() as patch:
        printed = io.StringIO()
        patch.setattr(sys, "stdout", printed)
        print_json({"path": os.fsdecode(name)})
    line = printed.getvalue().encode()  # would fail for half a surrogate pair
    assert os.fsencode(json.loads(line)["path"]) == name


def test_a_command_can_be_pasted_into_a_shell_whatever_its_names_hold(tmp_path):
    names = [b"plain.mp4", b"two words", b"it's", b"-x", b"a\nb\x1b[2J", b"\xff\xfe'\\", "日本".encode(), b"$HOME"]
    line = shell_line(["printf", r"%s\0", *map(os.fsdecode, names)])
    assert_harmless(line)
    found = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert found.split(b"\0")[:-1] == names


def test_a_path_is_printed_byte_by_byte_where_a_program_reads_it():
    code = "import os, sys; from pathlib import Path; from avsearch.cli.output import print_path;"
    code += r"print_path(Path(os.fsdecode(b'a\xff\n.mp4')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"a\xff\n.mp4\n"


def test_a_path_is_fit_to_be_seen_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_path(Path("a\x1b[31m.mp4"))
    assert capsys.readouterr().out == "a\N{REPLACEMENT CHARACTER}[31m.mp4\n"


def test_failures_are_listed_up_to_twenty_and_all_are_counted_by_reason(capsys):
    failures = [Failed(Path(f"{number}.mp4"), "is empty" if number < 24 else "is broken") for number in range(25)]
    list_failures(failures)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  0.mp4: is empty"
    assert lines[19:21] == ["  19.mp4: is empty", "  and 5 more."]
    assert [line.split() for line in lines[-2:]] == [
        ["24", "is", "empty", "0.mp4"],
        ["1", "is", "broken", "24.mp4"],
    ]


def test_a_job_can_say_something_beforehand(capsys):
    with shown_progress() as progress:
        progress.say("It takes 3 MB in a\x1b[2Jb.")
    assert capsys.readouterr().err == "It takes 3 MB in a\N{REPLACEMENT CHARACTER}[2Jb.\n"


def test_nothing_is_said_when_nothing_failed(capsys):
    list_failures([])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (counted(1, "file"), "1 file"),
        (counted(0, "file"), "0 files"),
        (length_of(12.4), "12 s"),
        (length_of(90), "1.5 min"),
        (length_of(5400), "1.50 h"),
        (size_of(999), "999 bytes"),
        (size_of(1_500), "1.5 kB"),
        (size_of(3_400_000), "3.4 MB"),
        (size_of(7 * 10**12), "7.0 TB"),
        (shown("a\tb"), "a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_figures_read_as_people_write_them(text, expected):
    assert text == expected


def test_what_draws_is_not_loaded_by_commands_that_draw_nothing():
    program = (
        "import sys; from avsearch.cli import output; import avsearch.cli\n"
        "with output.shown_progress() as progress: progress.stage('read', 1, 'file')\n"
        "print('rich' in sys.modules); output.print_table(['a'], [['b']]); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\na\nb\nTrue\n", "read: 1 file\n")
