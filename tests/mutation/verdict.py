"""What `make mutation` says at its end: per module, how many mutants there were and what became of them.

mutmut changes the code in one place at a time and runs the tests that reach it. A mutant that no test notices is a
gap in the tests or no change at all; `explained.toml` holds the second kind, each with its reason. Anything else
that survives fails the command, and so does an explanation of a mutant that is gone, or is noticed by now.
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

EXPLAINED = Path(__file__).with_name("explained.toml")
NOTICED = {"killed", "timeout", "segfault", "caught by type check"}


@dataclass(frozen=True)
class Mutant:
    """One change of the code: the lines that went and came, as in a diff without its context."""

    module: str
    function: str
    change: str
    status: str

    @property
    def place(self) -> tuple[str, str]:
        return f"{self.module}.{self.function}", self.change


def lines_changed(diff: str) -> str:
    """Of a unified diff, the lines that went and came; how far they are indented says nothing."""
    changed = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in changed)


def read_explained(text: str) -> dict[tuple[str, str], str]:
    """Function and change -> why nobody can tell the mutant from the code."""
    entries = tomllib.loads(text).get("equivalent", [])
    explained = {(entry["function"], entry["change"].strip()): entry["why"] for entry in entries}
    if len(explained) != len(entries) or not all(explained.values()):
        raise ValueError(f"{EXPLAINED.name} has an entry twice, or one without a reason")
    return explained


def complaints(mutants: Iterable[Mutant], explained: Mapping[tuple[str, str], str]) -> list[str]:
    """What has to be done before all is well: nothing, it is hoped."""
    all_mutants = list(mutants)
    survivors = [mutant for mutant in all_mutants if mutant.status not in NOTICED]
    found = [
        f"{mutant.module}.{mutant.function} ({mutant.status}): needs a test, or a reason\n{mutant.change}"
        for mutant in survivors
        if mutant.place not in explained
    ]
    stale = explained.keys() - {mutant.place for mutant in survivors}
    return found + [
        f"{function}: no survivor, so explain it no more\n{change}" for function, change in sorted(stale)
    ]


def table(mutants: Iterable[Mutant], explained: Mapping[tuple[str, str], str]) -> list[str]:
    """A line a module, and one for all."""
    counts: dict[str, Counter[str]] = {}
    for mutant in mutants:
        is_noticed = mutant.status in NOTICED
        kind = "killed" if is_noticed else "explained" if mutant.place in explained else "survived"
        counts.setdefault(mutant.module, Counter())[kind] += 1
    counts = dict(sorted(counts.items()))
    counts["all"] = sum(counts.values(), Counter())
    head = f"{'module':<32} {'mutants':>8} {'killed':>8} {'explained':>10} {'survived':>9}"
    rows = [
        f"{module:<32} {count.total():>8} {count['killed']:>8} {count['explained']:>10} {count['survived']:>9}"
        for module, count in counts.items()
    ]
    return [head, *rows]


def read_mutants() -> list[Mutant]:
    """What the last run of mutmut in this folder has left, in `mutants/`."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    mutants = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        module = ".".join(path.with_suffix("").parts)
        for name, exit_code in data.exit_code_by_key.items():
            function, owner = orig_function_and_class_names_from_key(name)
            whole = f"{owner}.{function}" if owner else function
            status = status_by_exit_code[exit_code]
            change = "" if status in NOTICED else lines_changed(get_diff_for_mutant(name, path=path))
            mutants.append(Mutant(module, whole.removeprefix(f"{module}."), change, status))
    return mutants


def main() -> int:
    mutants, explained = read_mutants(), read_explained(EXPLAINED.read_text())
    found = complaints(mutants, explained)
    sys.stdout.write("\n".join(table(mutants, explained)) + "\n")
    sys.stderr.write("".join(f"\n{complaint}\n" for complaint in found))
    return min(len(found), 1) if mutants else 1


if __name__ == "__main__":
    sys.exit(main())
