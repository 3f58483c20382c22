import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import runner, safety
from avsearch.media.runner import SECOND_OUTPUT, run, running
from tests.media.clips import make_clip

protections = pytest.mark.parametrize("protected", [True, False], ids=["protected", "unprotected"])


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


@pytest.mark.slow
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


def limits_without(monkeypatch, kind):
    """Take one limit on started processes away."""
    limits = safety.process_limits
    monkeypatch.setattr(
        safety,
        "process_limits",
        lambda timeout_s: {name: n for name, n in limits(timeout_s).items() if name != kind},
    )


@protections
def test_a_process_that_swells_gets_no_more_memory_than_its_limit(tmp_path, monkeypatch, protected):
    monkeypatch.setattr(safety, "MEMORY_LIMIT_BYTES", 200 << 20)
    if not protected:
        limits_without(monkeypatch, resource.RLIMIT_DATA)
    swell = python("import time; time.sleep(0.1); print(len(bytearray(300 << 20)))")
    if protected:
        with pytest.raises(MediaError, match="ended with status 1"):
            run(swell, path=tmp_path, timeout_s=20)
    else:
        assert run(swell, path=tmp_path, timeout_s=20)[0] == b"314572800\n"


@pytest.mark.slow
@protections
def test_a_process_that_computes_for_ever_ends_although_nobody_waits_for_it(tmp_path, monkeypatch, protected):
    """Waiting is all that patience counts, so a process that always has something ready needs another end."""
    monkeypatch.setattr(safety, "process_limits", lambda _: {resource.RLIMIT_CPU: 1} if protected else {})
    busy = python("import sys\nwhile sys.stdout.buffer.write(b'x' * 1000): sum(range(100_000))")

    def read_until_it_has_used(seconds):
        with running(busy, path=tmp_path, timeout_s=60) as process:
            while cpu_s(process.process.pid) < seconds:
                if not process.read(1 << 16):
                    break

    if protected:
        with pytest.raises(MediaError, match="too much computing time"):
            read_until_it_has_used(2)
    else:
        read_until_it_has_used(2)


def cpu_s(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_patience_and_computing_time_grow_with_what_has_come(tmp_path):
    with running(
        python("print('xx', flush=True); import time; time.sleep(60)"), path=tmp_path, timeout_s=5
    ) as process:
        pid = process.process.pid
        before_s = resource.prlimit(pid, resource.RLIMIT_CPU)[0]
        assert before_s == 5 * os.cpu_count() + 60
        process.grant(100.0)
        assert resource.prlimit(pid, resource.RLIMIT_CPU)[0] == before_s + 100 * os.cpu_count()
        assert 104 < process.patience_s <= 105
        process.grant(1e9)
        assert process.patience_s == runner.MOST_PATIENCE_S
        process.read(1)


@protections
def test_a_process_leaves_no_core_dump(tmp_path, monkeypatch, protected):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("nothing may dump core here")
    if not protected:
        limits_without(monkeypatch, resource.RLIMIT_CORE)
    code = "import resource, time; time.sleep(0.1); print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    resource.setrlimit(resource.RLIMIT_CORE, (4096, hard))
    try:
        output, _ = run(python(code), path=tmp_path, timeout_s=20)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert int(output) == (0 if protected else 4096)


def test_a_process_has_no_standard_input(tmp_path):
    """Ours holds a word here, which ffmpeg would take for commands."""
    ours, (reading_end, writing_end) = os.dup(0), os.pipe()
    os.write(writing_end, b"quit")
    os.close(writing_end)
    os.dup2(reading_end, 0)
    try:
        output, _ = run(python("import sys; print([sys.stdin.read()])"), path=tmp_path, timeout_s=20)
    finally:
        os.dup2(ours, 0)
        os.close(ours)
        os.close(reading_end)
    assert output == b"['']\n"


@protections
def test_nothing_of_the_environment_reaches_a_process_but_where_programs_are(tmp_path, monkeypatch, protected):
    for name in ("http_proxy", "FFREPORT", "AV_LOG_FORCE_COLOR", "LD_PRELOAD", "PGPASSWORD"):
        monkeypatch.setenv(name, "")
    if not protected:
        monkeypatch.setattr(safety, "process_environment", lambda: dict(os.environ))
    code = "import json, os, sys; json.dump(sorted(os.environ), sys.stdout)"
    output, _ = run([sys.executable, "-I", "-c", code], path=tmp_path, timeout_s=20)
    told = set(json.loads(output)) - {"LC_CTYPE"}  # which Python sets itself
    assert (told <= set(safety.KEPT_ENVIRONMENT)) is protected
    assert "PATH" in told


@protections
def test_a_request_for_a_report_file_does_not_reach_ffmpeg(tmp_path, monkeypatch, protected):
    clip = make_clip(tmp_path / "a.mp4", frames=5)
    monkeypatch.setenv("FFREPORT", f"file={tmp_path / 'report.log'}")
    if not protected:
        monkeypatch.setattr(safety, "process_environment", lambda: dict(os.environ))
    media.probe(clip)
    assert (tmp_path / "report.log").exists() is not protected


IGNORES_TERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
CLOSES_OUTPUT = "import os, time; os.close(1); time.sleep(600)"
FLOODS_ERRORS = "import sys\nwhile True: sys.stderr.write('x' * 100_000)"


@pytest.mark.parametrize("code", [IGNORES_TERM, CLOSES_OUTPUT, FLOODS_ERRORS], ids=["term", "closed", "errors"])
def test_a_process_that_hangs_is_killed_after_its_time(tmp_path, code):
    began = time.monotonic()
    with (
        pytest.raises(MediaError, match="takes too long"),
        running(python(code), path=tmp_path, timeout_s=1) as process,
    ):
        process.read(1)
    assert time.monotonic() - began < 10
    assert process.process.returncode == -signal.SIGKILL
    assert len(process.errors) <= runner.STDERR_LIMIT_BYTES


def test_a_child_that_left_the_process_group_and_holds_the_pipes_is_not_waited_for(tmp_path):
    child = "import time; time.sleep(30)"
    code = (
        "import subprocess, sys, time; print('x', flush=True);"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True); time.sleep(30)"
    )
    began = time.monotonic()
    with running(python(code), path=tmp_path, timeout_s=10) as process:
        assert process.read(1) == b"x"
        time.sleep(0.5)
    assert time.monotonic() - began < 8


def test_more_output_than_the_limit_is_refused_without_being_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "OUTPUT_LIMIT_BYTES", 1 << 20)
    flood = python("import sys\nwhile True: sys.stdout.buffer.write(b'x' * 100_000)")
    with pytest.raises(MediaError, match="puts out more than 1 MiB"):
        run(flood, path=tmp_path, timeout_s=20)


@pytest.mark.parametrize("stalled", ["stdout", "second"])
def test_a_process_that_puts_out_nothing_for_long_is_given_up_however_long_its_file(tmp_path, monkeypatch, stalled):
    monkeypatch.setattr(runner, "STALL_S", 0.5)
    code = "import os, sys, time; os.write(int(sys.argv[1].split(':')[1]), b'x'); time.sleep(60)"
    command = [*python(code), SECOND_OUTPUT if stalled == "second" else "pipe:1"]
    with (
        pytest.raises(MediaError, match="takes too long"),
        running(command, path=tmp_path, timeout_s=1e6) as process,
    ):
        assert [block for _, block in process.blocks()] == [b"x"]


BROKEN_OFF = {
    "[error] a.ts: Cannot allocate memory": "more than 2 GiB of memory",
    "[mpegts @ 0x1] [error] Number of streams exceeds max_streams parameter (64), see": "more than 64 streams",
    "[SWR @ 0x1] [error] Failed to compensate for timestamp delta of 12413.7": "pause that is too long",
}


@pytest.mark.parametrize("line", BROKEN_OFF)
def test_what_was_broken_off_is_a_failure_although_the_process_ends_well(tmp_path, line):
    with pytest.raises(MediaError, match=BROKEN_OFF[line]):
        run(python(f"import sys; print('data'); print({line!r}, file=sys.stderr)"), path=tmp_path, timeout_s=20)


def test_the_same_words_in_a_title_are_no_failure(tmp_path):
    line = "[info]     title           : Cannot allocate memory"
    output, _ = run(
        python(f"import sys; print('data'); print({line!r}, file=sys.stderr)"), path=tmp_path, timeout_s=20
    )
    assert output == b"data\n"
