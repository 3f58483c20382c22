"""`python -m avsearch` is `avsearch`."""

from avsearch.cli import main

main()
