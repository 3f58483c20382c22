"""avsearch as its command line runs it, but for some settings: `program.py SETTINGS ARGUMENT...`."""

import json
import sys

from tests.crash.steps import Settings, settle


def run(settings: dict, arguments: list[str]) -> None:
    from avsearch.cli import main

    settle(Settings(**settings))
    sys.argv = ["avsearch", *arguments]
    main()


if __name__ == "__main__":
    run(json.loads(sys.argv[1]), sys.argv[2:])
