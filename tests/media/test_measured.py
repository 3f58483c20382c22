import subprocess
import sys
import time
from pathlib import Path

import pytest

from avsearch.errors import MediaError
from avsearch.media.measured import decode_everything, ffmpeg_version, run_measured
from tests.media.clips import ffmpeg


def python(code, **options):
    return run_measured([sys.executable, "-c", code], **{"timeout_s": 60, **options})


def test_a_process_is_measured_with_its_output_and_its_status():
    measured = python(
        "import sys, time; print('out'); time.sleep(0.3); print('wrong', file=sys.stderr); sys.exit(3)"
    )
    assert (measured.status, measured.output, measured.errors) == (3, b"out\n", "wrong\n")
    assert measured.wall_s == pytest.approx(0.35, abs=0.3)
    assert measured.cpu_s < 0.3


def test_cpu_time_is_what_the_process_says_of_itself():
    """A child that it waits for counts."""
    code = """
import resource, subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sum(it.ru_utime + it.ru_stime for it in times))
"""
    measured = python(code)
    cpu_s = float(measured.output)
    assert measured.cpu_s == pytest.approx(cpu_s, abs=0.1)
    assert measured.cpu_s > 0.3


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_killed_with_all_of_its_group(tmp_path):
    mark = tmp_path / "pid"
    code = f"""
import subprocess
child = subprocess.Popen(["sleep", "60"])
open({str(mark)!r}, "w").write(str(child.pid))
child.wait()
"""
    began = time.monotonic()
    measured = python(code, timeout_s=2.0)
    assert measured.status == -9
    assert time.monotonic() - began < 20
    child = int(mark.read_text())
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def test_the_process_is_killed_when_its_caller_is_interrupted():
    started = []

    def interrupt(process_id):
        started.append(process_id)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        python("import time; time.sleep(60)", on_start=interrupt)
    assert not _runs(started[0])


def test_a_program_that_is_not_there_is_an_error_with_a_hint():
    with pytest.raises(MediaError, match="no-such-program cannot be started") as error:
        run_measured(["no-such-program"], timeout_s=1)
    assert "ffmpeg" in error.value.hint


def test_decoding_everything_reads_all_frames_and_no_file_that_a_playlist_names(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=4", "-c:v", "libx264", tmp_path / "film.mp4")
    measured = decode_everything(tmp_path / "film.mp4")
    assert measured.status == 0
    assert measured.cpu_s > 0
    listed = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{tmp_path / 'film.mp4'}\n#EXT-X-ENDLIST\n"
    (tmp_path / "fake.mp4").write_text(listed)
    with pytest.raises(MediaError, match="ffmpeg alone cannot decode it"):
        decode_everything(tmp_path / "fake.mp4")


def test_the_version_is_the_one_that_ffmpeg_prints():
    first_line = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    assert first_line.startswith(f"ffmpeg version {ffmpeg_version()} ")


def test_what_is_measured_leaves_nothing_behind():
    ids = []
    python("pass", on_start=ids.append)
    assert not Path("/proc", str(ids[0])).exists()  # not even a zombie


def _runs(process_id):
    try:
        return Path(f"/proc/{process_id}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
