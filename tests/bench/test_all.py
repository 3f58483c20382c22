"""`make bench`: what it runs, what it keeps, and the table that it makes."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import all as everything
from benchmarks.capacity import Cost
from benchmarks.capacity import figures as capacity_figures
from benchmarks.running import Place
from benchmarks.sample import sample_of
from benchmarks.step import Row, Step, Target
from benchmarks.steps import STEPS, report_rows, search_rows
from benchmarks.table import BEGIN, END, TITLE, number, pasted, results_of, table
from tests.cli.command import here
from tests.tiny import make_film

ROOT = Path(__file__).parents[2]
WALL = {"name": "wall, s", "key": "wall_s", "median": 4.0, "lowest": 3.5, "highest": 6.25}
WRITES = f"import json, sys; open(sys.argv[1], 'w').write(json.dumps({{'figures': [{WALL}]}})); print('said')"
MACHINE = {
    "cpu": "a CPU", "num_cores": 2, "memory_bytes": 24_000_000_000, "gpu": "", "system": "a system",
    "versions": {"python": "3.11.7", "ffmpeg": "5.1.9", "torch": "2.13.0", "faiss-cpu": "1.15.1"}, "load": 0.0,
}  # fmt: skip
ABOUT = {
    "began": "2026-11-28T10:00:00+00:00", "commit": "abc1234", "is_quick": False, "busy_before": 0.02,
    "machine": MACHINE,
}  # fmt: skip


def step(name, *, code=WRITES, **others):
    return Step(name, ("-c", code, "{out}"), 1, **others)


def run(steps, folder, *options):
    return everything.main(["--dir", str(folder), *options], steps)


def keep(folder, step, record, **about):
    place = Place(folder)
    place.about(step).parent.mkdir(parents=True, exist_ok=True)
    place.result(step).write_text(json.dumps(record))
    place.about(step).write_text(json.dumps({**ABOUT, **about}))


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("benchmarks.running.SAMPLE_S", 0.01)


def test_the_table_has_medians_their_spread_and_whether_targets_are_met(tmp_path):
    one = step("one", told="index", targets={"wall": Target(5.0), "files a second": Target(30, is_most=False)})
    figures = [WALL, {"name": "files a second", "key": "files", "median": 25.04, "lowest": 25.04, "highest": 25.04}]
    keep(tmp_path, one, {"figures": figures})
    made = table(results_of([one], Place(tmp_path)))
    assert rows_of(made) == [
        ["figure", "unit", "value", "target", "step"],
        ["index: wall", "s", "4 (3.5 to 6.25)", "at most 5: met", "`one`"],
        ["index: files a second", "", "25", "at least 30: missed", "`one`"],
    ]


def test_the_head_says_when_on_what_and_beside_what(tmp_path):
    one, two = step("one"), step("two")
    keep(tmp_path, one, {"figures": []})
    keep(tmp_path, two, {"figures": []}, began="2026-11-29T01:00:00+00:00", commit="def5678", busy_before=0.4)
    made = table(results_of([one, two], Place(tmp_path)))
    assert made.startswith("2026-11-28 to 2026-11-29; commit abc1234, def5678.\n")
    assert "2 x a CPU, 24 GB; a system; python 3.11.7, ffmpeg 5.1.9, torch 2.13.0, faiss-cpu 1.15.1." in made
    assert "**The machine was busy**: 40% of its cores at most before a step (`two`) began." in made
    assert made.count("a CPU") == 1
    alone = table(results_of([one], Place(tmp_path)))
    assert "Nothing ran beside: 2% of its cores" in alone
    assert "--quick" not in alone


def test_numbers_keep_three_digits():
    told = [number(it) for it in (1234.5, 999.4, 0.04561, 1.0, 17, 0.0)]
    assert told == ["1,234", "999", "0.0456", "1", "17", "0"]


def test_search_becomes_ratios_recall_and_memory():
    exact = {
        "num_rows": 1000, "kind": "exact", "recall": {"image-image": 1.0}, "build_s": 0.1,
        "memory_bytes": 2_000_000, "single": {"p50_ms": 2.0}, "batch": {"p50_ms": 0.5},
        "ratios": {"of_raw": 1.25, "of_raw_batch": 0.75},
    }  # fmt: skip
    ivf = {
        **exact, "kind": "ivf", "recall": {"image-image": 0.97, "audio-image": 0.95},
        "ratios": {"times_exact": 4.0, "times_exact_batch": 8.0},
    }  # fmt: skip
    rows = {it.figure: (it.median, it.unit) for it in search_rows({"runs": [exact, ivf], "peak_rss_bytes": 3e6})}
    assert rows["1,000 moments, exact, one query, over FAISS alone"] == (1.25, "")
    assert rows["1,000 moments, ivf, recall@30, lower direction"] == (0.95, "")
    assert rows["1,000 moments, ivf, each of 32, times as fast as exact"] == (8.0, "")
    assert rows["1,000 moments, ivf, built in"] == (0.1, "s")
    assert rows["1,000 moments, ivf, memory"] == (2.0, "MB")
    assert "1,000 moments, exact, built in" not in rows
    without = replace_ratio(exact, of_raw=None)
    assert not any("one query, over" in it.figure for it in search_rows({"runs": [without], "peak_rss_bytes": 1}))


def replace_ratio(run, **ratios):
    return {**run, "ratios": {**run["ratios"], **ratios}}


def test_a_report_becomes_its_headline_and_chance():
    scores = {"image-image": 0.7, "image-audio": 0.6, "audio-image": None, "audio-audio": 0.8}
    rows = list(report_rows({"ndcg@30": scores, "chance": dict.fromkeys(scores, 0.1)}))
    assert rows[1] == Row("nDCG@30, image-audio", "", 0.6, 0.6, 0.6)
    assert [it.figure for it in rows[:3]] == [
        f"nDCG@30, {it}" for it in ("image-image", "image-audio", "audio-audio")
    ]
    assert [it.median for it in rows[3:]] == [0.1] * 4


def test_capacity_compares_with_the_power_law_of_the_two_sizes_before():
    """Times double each time, so 8 ms follow 2 and 4; half of that is measured."""
    costs = [Cost(10**at, 500 * 10**at, 0, ms, ms / 2) for at, ms in ((4, 2.0), (5, 4.0), (6, 4.0))]
    found = {it.name: it.median for it in capacity_figures("exact", costs)}
    assert found == {
        "exact, bytes a moment at 1e+06": 500,
        "exact, measured over predicted at 1e+06, one query": pytest.approx(0.5),
        "exact, measured over predicted at 1e+06, each of 32": pytest.approx(0.5),
    }


def test_what_is_done_is_not_done_again_until_asked_for(tmp_path, capsys):
    steps = [step("one"), step("two")]
    assert run(steps, tmp_path) == 0
    began = [json.loads((tmp_path / "about" / f"{it.name}.json").read_text())["began"] for it in steps]
    stamps = [(tmp_path / f"{it.name}.json").stat().st_mtime_ns for it in steps]
    (tmp_path / "work" / "two" / "made").touch()
    assert run(steps, tmp_path, "--again", "two") == 0
    assert "one: done before" in capsys.readouterr().out
    assert (tmp_path / "one.json").stat().st_mtime_ns == stamps[0]
    assert (tmp_path / "two.json").stat().st_mtime_ns > stamps[1]
    assert not (tmp_path / "work" / "two" / "made").exists()
    assert began[0] == json.loads((tmp_path / "about" / "one.json").read_text())["began"]
    assert json.loads((tmp_path / "one.json").read_text()) == {"figures": [WALL]}
    assert (tmp_path / "logs" / "one.log").read_text() == "said\n"
    assert "| wall | s | 4 (3.5 to 6.25) |" in (tmp_path / "table.md").read_text()


def test_a_failing_step_is_told_and_the_others_go_on(tmp_path, capsys):
    steps = [
        step("broken", code="import sys; print('no such clip'); sys.exit(7)"),
        step("after", after=("broken",)),
        step("empty", code="pass"),
        step("good"),
    ]
    assert run(steps, tmp_path) == 1
    told = capsys.readouterr().out
    assert "broken: failed, exit code 7" in told
    assert "no such clip" in told
    assert "after: left out, comes after broken" in told
    assert "empty: failed, it left no result (FileNotFoundError" in told
    assert "Failed: broken, after, empty." in told
    assert {it.name for it in tmp_path.glob("*.json")} == {"good.json"}
    assert run([step("broken"), *steps[1:2], *steps[3:]], tmp_path) == 0  # mended: what failed is tried again


def test_a_step_that_hangs_is_ended_with_all_that_it_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.running.LEAST_S", 1.0)
    monkeypatch.setattr("benchmarks.running.PATIENCE", 1)
    code = (
        "import pathlib, subprocess, sys, time; child = subprocess.Popen(['sleep', '600'])\n"
        "pathlib.Path(sys.argv[1] + '.child').write_text(str(child.pid)); time.sleep(600)"
    )
    assert run([step("slow", code=code), step("good")], tmp_path) == 1
    assert "slow: failed, it was not done in 1 s" in capsys.readouterr().out
    child = int((tmp_path / ".slow.json.child").read_text())
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]
    assert (tmp_path / "good.json").exists()


def test_steps_that_lack_something_are_left_out_with_a_word(tmp_path, capsys):
    clips = Step("clips", ("-c", "pass", "{data}", "{out}"), 1)
    assert run([clips, step("module", needs=("no_such_module",)), step("good")], tmp_path) == 0
    told = capsys.readouterr().out
    assert "clips: left out, needs clips: name a folder with --data" in told
    assert "module: left out, needs no_such_module, which is not installed" in told
    with pytest.raises(SystemExit):
        run([clips], tmp_path, "--data", str(tmp_path / "nowhere"))
    assert "holds no manifest.csv" in capsys.readouterr().err


def test_long_steps_run_when_asked_for(tmp_path):
    steps = [step("short"), step("hour", is_long=True)]
    run(steps, tmp_path)
    assert not (tmp_path / "hour.json").exists()
    run(steps, tmp_path, "--long")
    assert (tmp_path / "hour.json").exists()


def test_the_list_runs_nothing(tmp_path, capsys):
    assert run(STEPS, tmp_path, "--list", "--long") == 0
    told = capsys.readouterr().out
    assert all(f"{it.name} " in told for it in STEPS)
    assert "index-clips            4.5 min  needs clips" in told
    assert not list(tmp_path.iterdir())


def test_the_default_takes_some_forty_minutes():
    assert sum(it.seconds for it in STEPS if not it.is_long) <= 45 * 60


def test_a_document_gets_the_table_between_its_markers_and_keeps_the_rest(tmp_path):
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\nThe head.\n\n## 2026-11-28: older\n\ntext\n")
    assert run([step("one")], tmp_path / "bench", "--write", str(path)) == 0
    first = path.read_text()
    assert first.startswith(f"# Benchmarks\n\nThe head.\n\n{TITLE}\n\n{BEGIN}\n")
    assert first.endswith(f"{END}\n\n## 2026-11-28: older\n\ntext\n")
    assert "| wall | s | 4 (3.5 to 6.25) |" in first
    again = pasted(first, "another table\n")
    head = f"# Benchmarks\n\nThe head.\n\n{TITLE}"
    assert again == f"{head}\n\n{BEGIN}\nanother table\n{END}\n\n## 2026-11-28: older\n\ntext\n"


def test_quick_figures_are_marked_and_kept_out_of_documents(tmp_path, capsys):
    quick = step("one", quick=("tiny",))
    assert run([quick], tmp_path, "--quick") == 0
    assert "**Tiny sizes (`--quick`)" in (tmp_path / "quick" / "table.md").read_text()
    assert json.loads((tmp_path / "quick" / "about" / "one.json").read_text())["command"][-1] == "tiny"
    with pytest.raises(SystemExit):
        run([quick], tmp_path, "--quick", "--write", str(tmp_path / "x.md"))


def test_every_name_is_one_of_its_own_and_steps_come_after_what_they_need():
    names = [it.name for it in STEPS]
    assert len(set(names)) == len(names)
    for at, it in enumerate(STEPS):
        assert set(it.after) <= set(names[:at])
        assert it.is_long or not any(other.is_long for other in STEPS if other.name in it.after)


@pytest.mark.slow
@pytest.mark.parametrize("one", [it for it in STEPS if it.command[1] != "avsearch"], ids=lambda it: it.name)
def test_every_option_of_a_step_is_known_to_its_script(one, tmp_path):
    """A last option that nobody knows is refused, and it alone: so all others were understood."""
    place = Place(tmp_path, tmp_path)
    words = place.filled(one, one.command + one.quick)
    done = subprocess.run(
        [sys.executable, *words, "--no-such-option"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith("unrecognized arguments: --no-such-option")


@pytest.mark.parametrize("one", [it for it in STEPS if it.command[1] == "avsearch"], ids=lambda it: it.name)
def test_every_option_of_a_step_is_known_to_its_command(one, tmp_path):
    """`--help` is answered where it stands, after all that came before it has been understood."""
    words = Place(tmp_path, tmp_path).filled(one, one.command + one.quick)[2:]
    code, _, errors = here(*words, "--help")
    assert (code, errors) == (0, "")
    code, _, errors = here(*words, "--no-such-option")
    assert code == 2
    assert "--no-such-option" in errors


def test_a_quick_look_takes_a_few_clips_of_each_class(tmp_path):
    rows = ["path,split,class"]
    for at in range(6):
        (tmp_path / f"{at}.mp4").write_bytes(b"clip")
        rows.append(f"{at}.mp4,{'train' if at < 4 else 'test'},flute")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    few = sample_of(tmp_path, tmp_path / "few")
    assert sorted(it.name for it in few.glob("*.mp4")) == ["0.mp4", "1.mp4", "4.mp4", "5.mp4"]
    assert (few / "manifest.csv").read_text().splitlines()[1:] == [
        "0.mp4,train,flute", "1.mp4,train,flute", "4.mp4,test,flute", "5.mp4,test,flute",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_step_runs_with_tiny_sizes(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rows = ["path,labels,split,class,photo,recordings"]
    for at in range(16):
        split, kind = ("train", "val", "test", "train")[at // 4], "flute" if at % 2 else "drums"
        make_film(data / f"{at}.mp4", seed=at, seconds=3)
        rows.append(f"{at}.mp4,{kind},{split},{kind},photo{at},sound{at}")
    (data / "manifest.csv").write_text("\n".join(rows) + "\n")
    folder = tmp_path / "bench"
    assert run(STEPS, folder, "--quick", "--long", "--data", str(data)) == 0
    missing = [it.name for it in STEPS if not (folder / "quick" / f"{it.name}.json").exists()]
    assert missing == ([] if find_spec("ray") else ["ray"])
