"""Runs of avsearch one after another, each in a process of its own that is born with everything imported.

A line of stdin is one run: {"settings": ..., "arguments": ..., "output": FILE}; a line of stdout is its exit code,
negative for the signal that killed it.
"""

import importlib
import json
import os
import sys
import traceback

from tests.crash.program import run

IMPORTED = ("psycopg", "torch", "avsearch.catalog.migrate", "avsearch.cli", "avsearch.encoder", "avsearch.query",
            "indexer.build", "indexer.reembed", "indexer.repair")  # fmt: skip
CRASHED = 70


def be_child(request: dict) -> int:
    """Run; the exit code."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        run(request["settings"], request["arguments"])
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except BaseException:  # noqa: BLE001  (it is printed for the test to see)
        traceback.print_exc()
    return CRASHED


def main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = be_child(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
