import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from avsearch.bench.memory import PeakMemory, resident_bytes

HOLD = "import sys, time; block = b'x' * {0}; print('ready', flush=True); time.sleep(60)"


def holding(num_bytes):
    """A process that has so much memory, and has touched it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD.format(num_bytes)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process):
    process.kill()
    process.communicate()


def test_the_memory_of_a_process_is_what_the_kernel_counts_as_resident():
    process = holding(50_000_000)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    assert resident_bytes(process.pid) == int(status["VmRSS"].split()[0]) * 1024
    ended(process)


def test_children_of_any_thread_and_their_children_count():
    code = f"""
import subprocess, sys, threading
def start():
    child = subprocess.Popen([sys.executable, "-c", "import subprocess, sys;"
        "subprocess.run([sys.executable, '-c', sys.argv[1]])", {HOLD.format(60_000_000)!r}], stdout=subprocess.PIPE)
    print(child.stdout.readline(), flush=True)
    child.wait()
threading.Thread(target=start).start()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    parent.stdout.readline()
    assert resident_bytes(parent.pid) > 60_000_000
    os.killpg(parent.pid, signal.SIGKILL)
    parent.communicate()


def test_a_process_that_is_gone_has_no_memory():
    process = holding(1)
    ended(process)
    assert resident_bytes(process.pid) == 0


def test_the_peak_is_remembered_after_the_end():
    process, peak = holding(50_000_000), PeakMemory()
    peak.start(process.pid)
    time.sleep(0.3)
    ended(process)
    peak.finish()
    assert peak.sum_rss_bytes > 50_000_000
    assert 2 <= peak.num_samples <= 20


def test_nothing_was_sampled_where_nothing_was_started():
    peak = PeakMemory()
    peak.finish()
    assert (peak.sum_rss_bytes, peak.num_samples) == (0, 0)
