import gc
import multiprocessing
import os
import signal
import time
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avsearch.errors import TrainingError
from trainer import shards
from trainer.cache import CachedClip
from trainer.dataset import Clips
from trainer.moments import ClipArrays
from trainer.records import line
from trainer.shards import ShardWriter, load

HEADER = {"short_side": 32}


def arrays(number, *, frames=3, flow=False):
    rng = np.random.default_rng(number)
    return ClipArrays(
        frames=rng.integers(0, 256, (frames, 8, 9, 3), dtype=np.uint8),
        frame_us=np.arange(frames, dtype=np.int64) * 40_000 + number,
        times_us=np.arange(2 * frames, dtype=np.int64) * 20_000,
        sound=rng.integers(-9, 9, 48_001).astype(np.int16),
        start_us=number,
        flow=rng.integers(0, 256, (frames - 1, 8, 9, 2), dtype=np.uint8) if flow else None,
    )


def same(one, other):
    for name in ("frames", "frame_us", "times_us", "sound", "flow"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    return one.start_us == other.start_us


def fill(directory, contents, windows=(0,)):
    with closing(ShardWriter(directory, HEADER)) as writer:
        for number, content in enumerate(contents):
            for window in windows:
                writer.add(content, window, arrays(10 * number + window))
            writer.finish(content, windows)


def kept(directory):
    return load(directory, HEADER)


@pytest.mark.parametrize("flow", [False, True])
def test_clips_come_back_as_they_were_written(tmp_path, flow):
    with closing(ShardWriter(tmp_path, HEADER)) as writer:
        records = [writer.add("a", window, arrays(window, flow=flow)) for window in range(3)]
        writer.finish("a", [0, 1, 2])
    assert kept(tmp_path)["a"].is_complete
    assert kept(tmp_path)["a"].records() == records
    for window, record in enumerate(records):
        assert same(record.read(check=True), arrays(window, flow=flow))


def test_shards_are_bounded_and_the_next_writer_goes_on_with_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 250_000)  # a clip takes 97 kB
    for number in range(7):
        fill(tmp_path, [f"c{number}"])
    sizes = sorted(path.stat().st_size for path in tmp_path.glob("*.clips"))
    assert len(sizes) == 3
    assert sizes[-1] < 250_000 + 100_000
    assert len(kept(tmp_path)) == 7


def test_two_writers_at_once_have_a_shard_each(tmp_path):
    with closing(ShardWriter(tmp_path, HEADER)) as one, closing(ShardWriter(tmp_path, HEADER)) as other:
        first, second = one.add("a", 0, arrays(1)), other.add("b", 0, arrays(2))
        one.finish("a", [0])
        other.finish("b", [0])
    assert first.shard != second.shard
    assert set(kept(tmp_path)) == {"a", "b"}


def test_a_window_that_two_runs_have_written_counts_once(tmp_path):
    with closing(ShardWriter(tmp_path, HEADER)) as one, closing(ShardWriter(tmp_path, HEADER)) as other:
        for writer in (one, other):
            writer.add("a", 0, arrays(1))
            writer.finish("a", [0])
    assert len(kept(tmp_path)["a"].records()) == 1


def test_a_torn_tail_is_thrown_away_and_what_was_whole_stays(tmp_path):
    fill(tmp_path, ["a", "b"])
    [data], [index] = tmp_path.glob("*.clips"), tmp_path.glob("*.jsonl")
    whole, told = data.stat().st_size, index.read_bytes()
    last = told.splitlines(keepends=True)[-2]
    for cut in range(len(last)):
        index.write_bytes(told + last[:cut])
        with data.open("ab") as file:
            file.write(b"x" * (cut + 1))
        assert set(kept(tmp_path)) == {"a", "b"}
        fill(tmp_path, ["c"])
        assert same(kept(tmp_path)["c"].records()[0].read(check=True), arrays(0))
        assert kept(tmp_path)["c"].records()[0].at == whole
        index.write_bytes(told)


def _write_for_ever(directory, begun):
    with closing(ShardWriter(directory, HEADER)) as writer:
        for number in range(10_000):
            content = f"{os.getpid()}-{number}"
            writer.add(content, 0, arrays(number))
            writer.finish(content, [0])
            begun.set()


@pytest.mark.slow
def test_what_was_told_of_survives_kill_9_at_any_moment(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    for number in range(4):
        begun = spawn.Event()
        process = spawn.Process(target=_write_for_ever, args=(tmp_path, begun))
        process.start()
        assert begun.wait(60)
        time.sleep(0.003 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        found = kept(tmp_path)
        assert len(found) > number
        for content, media in found.items():
            for _, record in media.clips:
                assert same(record.read(check=True), arrays(int(content.split("-")[1])))
    assert len(list(tmp_path.glob("*.clips"))) == 1  # each went on where the last was killed


def flip(path, at):
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 16]))


def test_a_flipped_byte_is_one_sentence_that_names_the_shard_and_the_clip_is_missing_afterwards(tmp_path):
    fill(tmp_path, ["a", "b", "c"], windows=(0, 1))
    [data] = tmp_path.glob("*.clips")
    found = kept(tmp_path)
    for content, window in (("a", 1), ("c", 0)):
        flip(data, dict(found[content].clips)[window].at + 700)
    dict(found["b"].clips)[0].read(check=True)
    with pytest.raises(TrainingError, match=data.name) as caught:
        dict(found["a"].clips)[1].read(check=True)
    assert "--resume" in caught.value.hint
    again = kept(tmp_path)
    assert set(dict(again["a"].clips)) == {0}
    assert set(dict(again["c"].clips)) == {1}  # the whole shard was looked through
    assert again["b"].is_complete
    assert not again["a"].is_complete


def test_a_clip_is_compared_with_its_checksum_when_it_is_first_used(tmp_path, monkeypatch):
    fill(tmp_path, ["a"])
    clips = Clips.of([CachedClip(record, "a.mp4", "a") for record in kept(tmp_path)["a"].records()])
    assert same(clips.read(0), arrays(0))
    monkeypatch.setattr("trainer.records.xxhash", None)  # a second look would fail
    assert same(clips.read(0), arrays(0))


def test_a_flipped_byte_in_an_index_loses_that_line_and_nothing_else(tmp_path):
    fill(tmp_path, ["a", "b", "c"])
    [index] = tmp_path.glob("*.jsonl")
    size = index.stat().st_size
    for at in range(size):
        flip(index, at)
        complete = [content for content, media in kept(tmp_path).items() if media.is_complete]
        assert len(complete) >= 1  # a line feed that is gone makes two lines one
        flip(index, at)
    flip(index, size - 30)
    fill(tmp_path, ["d"])
    assert same(kept(tmp_path)["a"].records()[0].read(check=True), arrays(0))
    assert same(kept(tmp_path)["d"].records()[0].read(check=True), arrays(0))
    assert not kept(tmp_path)["c"].is_complete


def test_a_shard_that_was_cut_short_or_is_gone_has_fewer_clips(tmp_path):
    fill(tmp_path, ["a", "b"])
    [data] = tmp_path.glob("*.clips")
    records = {content: dict(media.clips)[0] for content, media in kept(tmp_path).items()}
    os.truncate(data, data.stat().st_size - 1)
    assert kept(tmp_path)["a"].is_complete
    assert not kept(tmp_path)["b"].is_complete
    data.unlink()
    assert kept(tmp_path) == {}
    with pytest.raises(TrainingError, match=data.name):
        records["a"].read(check=False)


def test_a_shard_of_another_kind_is_refused(tmp_path):
    fill(tmp_path, ["a"])
    with pytest.raises(TrainingError, match="another kind") as caught:
        load(tmp_path, {"short_side": 48})
    assert "--cache" in caught.value.hint


def test_one_second_of_a_long_clip_costs_that_second(tmp_path):
    """Pages of the file that were touched, counted by the kernel."""
    long = replace(arrays(0), sound=np.zeros(48_000 * 300, np.int16))
    with closing(ShardWriter(tmp_path, HEADER)) as writer:
        record = writer.add("a", 0, long)
    read = record.read(check=False)
    before = _mapped_kb(record.shard)
    assert not read.sound[48_000 * 200 : 48_000 * 201].any()
    assert _mapped_kb(record.shard) - before < 5_000  # of 28,800


def _mapped_kb(path):
    """How much of a mapped file is in this process's memory, in kB."""
    mapping = Path("/proc/self/smaps").read_text().split(str(path))[1]
    return int(mapping.split("Rss:")[1].split()[0])


@pytest.mark.slow
def test_a_hundred_thousand_clips_take_a_few_hundred_bytes_each_and_no_open_files(tmp_path):
    count = 100_000
    shape = {"frames": [60, 128, 228], "times": 275, "samples": 480_000, "start_us": 0, "flow": False}
    size = 6_300_000
    for shard in range(count // 1000):
        lines = [line({"header": HEADER})]
        for number in range(1000):
            content = f"{shard * 1000 + number:032x}"
            told = {"content": content, "window": 0, "at": number * size, **shape, "xxh3": f"{number:016x}"}
            lines += [line(told), line({"content": content, "windows": [0]})]
        (tmp_path / f"{shard:032x}.jsonl").write_bytes(b"".join(lines))
        (tmp_path / f"{shard:032x}.clips").touch()
        os.truncate(tmp_path / f"{shard:032x}.clips", 1001 * size)  # all hole
    opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    tracemalloc.start()
    found = load(tmp_path, HEADER)
    clips = Clips.of(
        [CachedClip(record, f"{tmp_path}/{content}.mp4", content) for content, media in found.items()
         for record in media.records()]
    )  # fmt: skip
    del found
    gc.collect()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clips.num_media == count
    assert held / count < 600
    assert peak / count < 1_100
    for number in range(0, count, 500):
        clips.clips[number].record.read(check=False)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= opened  # noqa: PTH208
