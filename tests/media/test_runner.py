import sys
import time
from pathlib import Path

import pytest

from avsearch.errors import MediaError
from avsearch.media.runner import run, running


def python(code):
    return [sys.executable, "-c", code]


def test_output_and_errors_come_back(tmp_path):
    assert run(python("import sys; print('out'); print('err', file=sys.stderr)"), path=tmp_path, timeout_s=20) == (
        b"out\n",
        "err\n",
    )


def test_a_flood_of_errors_does_not_block(tmp_path):
    code = "import sys; sys.stderr.write('x' * 5_000_000); print('done')"
    output, errors = run(python(code), path=tmp_path, timeout_s=30)
    assert output == b"done\n"
    assert len(errors) == 1 << 20


def test_a_failure_gives_the_last_line_as_reason(tmp_path):
    with pytest.raises(MediaError, match=r"clip\.mp4: moov atom not found\."):
        run(
            python(
                "import sys; print('first'); sys.exit('[mov @ 0x1] [error] file:clip.mp4: moov atom not found')"
            ),
            path=Path("clip.mp4"),
            timeout_s=20,
        )


def test_a_failure_without_words_gives_the_status(tmp_path):
    with pytest.raises(MediaError, match="ended with status 3"):
        run(python("import sys; sys.exit(3)"), path=tmp_path, timeout_s=20)


def test_a_hanging_process_and_its_children_are_killed(tmp_path):
    mark = f"{tmp_path.name}-{time.time_ns()}"
    child = f"import time; time.sleep(600)  # {mark}"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    with pytest.raises(MediaError, match="too long"):
        run(python(code), path=tmp_path, timeout_s=1)
    time.sleep(0.2)
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(mark.encode() in command for command in running)


def test_a_reader_that_has_enough_ends_the_process(tmp_path):
    began = time.monotonic()
    with running(python("while True: print('x' * 1000)"), path=tmp_path, timeout_s=60) as process:
        assert process.read(10) == b"x" * 10
    assert process.process.poll() is not None
    assert time.monotonic() - began < 30


def test_time_in_which_nobody_waits_is_not_counted(tmp_path):
    with running(python("print('x' * 500_000); print('end')"), path=tmp_path, timeout_s=1.5) as process:
        process.read(10)
        time.sleep(2)
        assert process.read(1 << 20).endswith(b"end\n")


def test_a_program_that_may_not_be_run_says_so(tmp_path):
    with pytest.raises(MediaError, match="cannot be started"):
        run([str(tmp_path)], path=tmp_path, timeout_s=1)


def test_a_missing_program_says_what_to_install(tmp_path):
    with pytest.raises(MediaError, match="apt-get install ffmpeg"):
        run(["no-such-program-here"], path=tmp_path, timeout_s=1)
