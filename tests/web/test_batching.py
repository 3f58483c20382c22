"""The encoder that gathers batches, the threads behind a queue, and the cache: without HTTP."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from avsearch.errors import LibraryError, MediaError
from avsearch.media.waiting import still_waiting
from avsearch.web.batching import BatchingEncoder
from avsearch.web.cache import FileCache
from avsearch.web.crew import Crew
from avsearch.web.refusals import Refused
from tests.web.serving import until


class Counting:
    """An encoder that gives each moment its mean, slowly, and notes the batches; 13 is an unlucky number."""

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.batches = []

    def encode_images(self, frames):
        time.sleep(self.seconds)
        self.batches.append(("image", len(frames)))
        if (frames == 13).any():
            raise ValueError("unlucky")
        return frames.reshape(len(frames), -1).mean(axis=1, keepdims=True).astype(np.float32)

    def encode_sounds(self, waveforms):
        time.sleep(self.seconds)
        self.batches.append(("audio", len(waveforms)))
        return waveforms.mean(axis=1, keepdims=True)


def frames(value, count=1, side=4):
    return np.full((count, side, side, 3), value, np.uint8)


def test_everybody_gets_the_vectors_of_their_own_moments():
    encoder = Counting(0.01)
    batching = BatchingEncoder(encoder, most=16)
    rng = np.random.default_rng(0)
    values = rng.integers(14, 256, 60).tolist()

    def ask(number):
        count, value = number % 3 + 1, values[number]
        if number % 2:
            return batching.encode_images(frames(value, count)), value, count
        sounds = np.full((count, 8), value, np.float32)
        return batching.encode_sounds(sounds), value, count

    with ThreadPoolExecutor(12) as pool:
        for vectors, value, count in pool.map(ask, range(60)):
            assert vectors.tolist() == [[value]] * count
    batching.close()
    assert sum(count for _, count in encoder.batches) == sum(number % 3 + 1 for number in range(60))
    assert len(encoder.batches) < 40
    assert max(count for _, count in encoder.batches) > 3


def test_a_request_that_fails_does_not_spoil_the_others_of_its_batch():
    batching = BatchingEncoder(Counting(0.05), most=16)
    batching.encode_images(frames(1))

    def ask(value):
        try:
            return batching.encode_images(frames(value)).tolist()
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, [20, 13, 40, 50])) == [[[20]], "unlucky", [[40]], [[50]]]
    batching.close()


def test_shapes_that_differ_are_never_put_together():
    batching = BatchingEncoder(Counting(0.02), most=16)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda side: batching.encode_images(frames(side, side=side)).tolist(), [4, 6, 4, 6]))
    assert found == [[[4]], [[6]], [[4]], [[6]]]
    batching.close()


def test_after_its_end_an_encoder_still_answers_who_has_it():
    batching = BatchingEncoder(Counting())
    batching.close()
    batching.close()
    assert batching.encode_images(frames(7)).tolist() == [[7]]


def run(crew, *works):
    """What a crew gives for several pieces of work that are asked for at the same time; errors as values."""

    async def all_of_them():
        return await asyncio.gather(*(crew.run(None, work) for work in works), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_no_more_is_done_at_once_than_there_are_threads_and_the_rest_is_told_to_wait():
    at_once, most = 0, 0
    lock = threading.Lock()

    def work():
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.5)
        with lock:
            at_once -= 1

    crew = Crew("test", num_threads=2, num_waiting=3, limit_s=10)
    answers = run(crew, *[work] * 9)
    refused = [it for it in answers if isinstance(it, Refused)]
    assert most == 2
    assert len(refused) == 4
    assert {(it.status_code, it.headers["Retry-After"]) for it in refused} == {(503, "2")}
    assert sum(waited_s > 0.3 for _, waited_s in (it for it in answers if not isinstance(it, Refused))) == 3
    until(lambda: crew.num_tasks == 0)
    crew.close()


def test_work_that_takes_too_long_ends_with_a_sentence():
    def endless():
        while True:
            time.sleep(0.01)
            still_waiting()

    crew = Crew("test", num_threads=1, num_waiting=1, limit_s=0.2)
    (answer,) = run(crew, endless)
    assert isinstance(answer, MediaError)
    assert "longer than" in answer.message
    crew.close()


def test_a_client_that_has_gone_ends_the_work():
    ended = threading.Event()

    def endless():
        try:
            while True:
                time.sleep(0.01)
                still_waiting()
        finally:
            ended.set()

    class Gone:
        async def is_disconnected(self):
            return True

    crew = Crew("test", num_threads=1, num_waiting=1, limit_s=60)

    async def ask():
        with pytest.raises(Refused, match="gone"):
            await crew.run(Gone(), endless)

    asyncio.run(ask())
    assert ended.wait(5)
    crew.close()


def test_an_ended_crew_takes_nothing_more():
    crew = Crew("test", num_threads=1, num_waiting=1, limit_s=60)
    crew.close()
    (answer,) = run(crew, lambda: 1)
    assert isinstance(answer, Refused)


def test_a_file_is_made_once_when_many_ask_at_the_same_time(tmp_path):
    cache, made = FileCache(tmp_path / "cache", 1000), []

    def make(path):
        made.append(path)
        time.sleep(0.1)
        path.write_bytes(b"content")

    def read(_):
        with cache.open("a.bin", make) as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(8))) == {b"content"}
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.bin"]


def test_all_who_wait_for_a_file_that_cannot_be_made_learn_why_and_it_is_tried_again(tmp_path):
    cache = FileCache(tmp_path, 1000)

    def fail(path):
        path.write_bytes(b"half")
        time.sleep(0.1)
        raise MediaError("no such thing")

    def read(_):
        with pytest.raises(MediaError, match="no such thing"):
            cache.open("a.bin", fail)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
    assert list(tmp_path.iterdir()) == []
    cache.open("a.bin", lambda path: path.write_bytes(b"whole")).close()


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = FileCache(tmp_path, 250)
    for name in ("a", "b"):
        cache.open(name, lambda path: path.write_bytes(bytes(100))).close()
        time.sleep(0.02)
    cache.find("a").close()
    time.sleep(0.02)
    cache.open("c", lambda path: path.write_bytes(bytes(100))).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="cannot be kept"):
        FileCache(tmp_path / "file" / "cache", 100).open("a", lambda path: path.write_bytes(b"x"))
