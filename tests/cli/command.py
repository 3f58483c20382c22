"""The command line, run as a user runs it or within the test's own process."""

import json
import os
import subprocess
import sys

from typer.testing import CliRunner


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **more}


def avsearch(*arguments, cwd=None, **variables):
    """Run the command as a user does; returns (exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-m", "avsearch", *map(str, arguments)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def here(*arguments):
    """Run it in this process, which has torch already: (exit code, stdout, stderr)."""
    from avsearch.cli import app

    done = CliRunner().invoke(app, [str(it) for it in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def objects(text):
    """The JSON objects of an output, one a line."""
    return [json.loads(line) for line in text.splitlines()]


def started(*arguments):
    """The command while it runs; Ctrl-C counts even where the tests were put into the background."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    code += "from avsearch.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
