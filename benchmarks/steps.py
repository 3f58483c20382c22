"""All steps of `benchmarks.all`, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.step import Record, Row, Step, Target

DIRECTIONS = ("image-image", "image-audio", "audio-image", "audio-audio")


def search_rows(record: Record) -> Iterator[Row]:
    """What `avsearch bench search` found: exact search beside FAISS alone, indexes beside exact search."""
    for run in record["runs"]:
        told, ratios = f"{run['num_rows']:,} moments, {run['kind']}", run["ratios"]
        found = [("one query", "ms", run["single"]["p50_ms"]), ("each of 32 queries", "ms", run["batch"]["p50_ms"])]
        if run["kind"] == "exact":
            found.append(("one query, over FAISS alone", "", ratios["of_raw"]))
            found.append(("each of 32, over FAISS alone", "", ratios["of_raw_batch"]))
        else:
            found.append(("recall@30, lower direction", "", min(run["recall"].values())))
            found.append(("built in", "s", run["build_s"]))
            found.append(("one query, times as fast as exact", "", ratios["times_exact"]))
            found.append(("each of 32, times as fast as exact", "", ratios["times_exact_batch"]))
        found.append(("memory", "MB", run["memory_bytes"] / 1e6))
        yield from (once(f"{told}, {what}", unit, value) for what, unit, value in found if value is not None)
    yield once("peak memory, everything included", "MB", record["peak_rss_bytes"] / 1e6)


def report_rows(record: Record) -> Iterator[Row]:
    """The headline of a report of `avsearch evaluate`, chance beside it."""
    for name, of in (("nDCG@30", record["ndcg@30"]), ("nDCG@30, chance", record["chance"])):
        yield from (once(f"{name}, {it}", "", of[it]) for it in DIRECTIONS if of[it] is not None)


def once(figure: str, unit: str, value: float) -> Row:
    """A figure that was measured once."""
    return Row(figure, unit, value, value, value)


def _script(name: str, *options: str) -> tuple[str, ...]:
    return "-m", f"benchmarks.{name}", *options, "--out", "{out}"


def _bench(name: str, *options: str) -> tuple[str, ...]:
    return "-m", "avsearch", "bench", name, *options, "--out", "{out}"


def _search_targets() -> Iterable[tuple[str, Target]]:
    yield "1,000,000 moments, exact, one query, over FAISS alone", Target(1.1)
    yield "1,000,000 moments, exact, each of 32, over FAISS alone", Target(1.1)
    yield "1,000,000 moments, ivf-sq8, recall@30, lower direction", Target(0.95, is_most=False)
    yield "1,000,000 moments, ivf-sq8, built in", Target(180)
    yield "1,000,000 moments, ivf-sq8, one query, times as fast as exact", Target(20, is_most=False)


FOOTAGE = "{work}/footage/k2"
STEPS = (
    Step(
        "index-clips",
        _bench("index", "{data}", "--size", "small", "--runs", "3"),
        270,
        quick=("--runs", "1"),
        told="index, the clips, `small`",
    ),
    Step(
        "footage",
        ("-m", "benchmarks.footage", "{data}", "{mine}", "--files", "10", "--kinds", "k2"),
        240,
        quick=("--files", "1", "--seconds", "4"),
    ),
    Step(
        "index-footage",
        _bench("index", FOOTAGE, "--size", "small", "--runs", "3", "--baseline"),
        240,
        quick=("--runs", "1"),
        after=("footage",),
        told="index, films, `small`",
        targets={
            "efficiency on 2 cores": Target(0.85, is_most=False),
            "wall / ffmpeg alone": Target(0.35),
        },
    ),
    Step(
        "index-footage-paper",
        _bench("index", FOOTAGE, "--size", "paper", "--runs", "3"),
        60,
        quick=("--runs", "1"),
        after=("footage",),
        told="index, films, `paper`",
        targets={"times real time": Target(25, is_most=False)},
    ),
    Step(
        "index-unchanged",
        _script("unchanged_10k"),
        30,
        quick=("--files", "20", "--runs", "1"),
        targets={"indexing 10,000 unchanged files, whole command": Target(5)},
    ),
    Step("encoding-small", _script("encoding", "--size", "small"), 20, quick=("--moments", "4", "--runs", "1")),
    Step(
        "encoding-paper",
        _script("encoding", "--size", "paper", "--moments", "64"),
        30,
        quick=("--moments", "2", "--runs", "1"),
    ),
    Step(
        "query",
        _script("query", "{data}", "--dir", "{mine}"),
        160,
        quick=("--clips", "4", "--runs", "1"),
        targets={f"query with {it}, a server running": Target(0.4) for it in ("a still", "a film of the library")},
    ),
    Step(
        "search",
        _bench("search", "--moments", "1e4,1e5,1e6"),
        300,
        quick=("--moments", "2e3,4e3", "--kinds", "exact,ivf"),
        told="search",
        targets=dict(_search_targets()),
        read=search_rows,
    ),
    Step(
        "resident",
        _script("resident_1m"),
        180,
        quick=("--rows", "12000"),
        targets={
            f"1,000,000 moments in memory, {many} at once, k = {k}, all, over FAISS of all": Target(1.2)
            for many in (1, 32)
            for k in (30, 120, 1000)
        },
    ),
    Step(
        "opening",
        _script("opening", "--dir", "{work}/million"),
        70,
        quick=("--moments", "12000", "--runs", "1"),
        targets={"first query of 1,000,000 moments, beyond imports": Target(2)},
    ),
    Step(
        "serve",
        _script("serve", "--dir", "{work}/million", "--seconds", "40", "--runs", "2"),
        240,
        quick=("--moments", "12000", "--seconds", "4", "--clients", "2", "--runs", "1"),
        targets={
            "server, queries in the time over those of a loop": Target(0.8, is_most=False),
            "server, search stage over FAISS alone": Target(1.2),
            "server, errors": Target(0),
        },
    ),
    Step(
        "catalog",
        _script("catalog_100k"),
        120,
        quick=("--media", "2500"),
    ),
    Step(
        "evaluation",
        _script("evaluation"),
        90,
        quick=("--items", "300", "--runs", "1"),
        targets={
            "evaluation of 10,000 items": Target(60),
            "evaluation of 10,000 items, peak memory": Target(2000),
        },
    ),
    Step(
        "train",
        _bench("train", "{data}", "--recipe", "ave", "--size", "small", "--cache", "{mine}/cache"),
        300,
        quick=("--runs", "1", "--steps", "2", "--batch-size", "4"),
        told="train, `ave`, `small`",
        targets={"share of data loading": Target(15)},
    ),
    Step(
        "ray",
        _script("on_ray", "{data}"),
        190,
        quick=("--clips", "4", "--runs", "1"),
        needs=("ray",),
    ),
    Step(
        "capacity",
        ("-m", "benchmarks.capacity", "{results}/search.json", "--out", "{out}"),
        1,
        after=("search",),
        told="capacity",
    ),
    Step(
        "demo",
        ("-m", "avsearch", "demo", "--dir", "{mine}"),
        660,
        quick=("--minutes", "0.2", "--clips", "10"),
        is_long=True,
        told="demo",
        left="{mine}/report/report.json",
        read=report_rows,
    ),
    Step(
        "train-views",
        _bench("train", "{data}", "--recipe", "ave-views", "--size", "small", "--cache", "{work}/train/cache"),
        180,
        quick=("--runs", "1", "--steps", "2", "--batch-size", "4"),
        after=("train",),
        is_long=True,
        told="train, `ave-views`, `small`",
        targets={"share of data loading": Target(15)},
    ),
    Step(
        "duplicates",
        _script(
            "duplicates", "{data}", "{mine}", "--split", "test", "--model", "{work}/demo/run/encoder.safetensors"
        ),
        540,
        after=("demo",),
        is_long=True,
        targets={"near-duplicates by both sides, precision": Target(0.99, is_most=False)},
    ),
    Step(
        "search-1e7",
        _bench("search", "--moments", "1e7", "--kinds", "exact,ivf-sq8,ivf-pq", "--dir", "{mine}"),
        1500,
        quick=("--moments", "3e3", "--kinds", "exact,ivf"),
        is_long=True,
        told="search",
        targets={"10,000,000 moments, ivf-sq8, recall@30, lower direction": Target(0.9, is_most=False)},
        read=search_rows,
    ),
    Step(
        "capacity-1e7",
        ("-m", "benchmarks.capacity", "{results}/search.json", "{results}/search-1e7.json", "--out", "{out}"),
        1,
        after=("search", "search-1e7"),
        is_long=True,
        told="capacity",
    ),
    Step(
        "systems",
        _script("systems", "{data}", "{mine}", "--only", "ave-x1", "ave-nce-x1", "avol-nce-x1", "ave-views-x2"),
        4200,
        quick=("--minutes", "0.1", "--only", "ave-nce-x1"),
        is_long=True,
        told="systems",
        targets={"`ave-views`, 10 min, cross-modal mean, nDCG@30, test": Target(0.55, is_most=False)},
    ),
)
