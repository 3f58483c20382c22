"""Which media a filter chooses, against a plain evaluation over the records themselves."""

import contextlib
import operator
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsearch.catalog import FileState, IndexedMedia, Publication, State
from avsearch.catalog.conditions import AllOf, AnyOf, Comparison, Not
from avsearch.catalog.fields import Field
from avsearch.catalog.globs import match_names, read_glob
from avsearch.errors import UsageError
from avsearch.moments import AudioStream, MediaInfo, MediaKind, VideoStream

LABELS = ("drum", "bass drum", "it's", "Drum", "and")
DURATIONS_S = (0, 3, 10, 10.5, 90, 5400)
DATES = ("2024-04-30", "2024-05-01", "2024-05-01T10:30", "2024-05-01T10:30:15", "2024-05-02T00:00:00")
RATES = (24000 / 1001, 25.0, 30000 / 1001, 50.0)
SIZES = ((1920, 1080), (1080, 1920), (640, 480), (3840, 2160), (720, 576))
NAMES = ("a.mp4", "b.wav", "c.mp4", "drafts/a.mp4", "x/drafts/d.mp4", "x/y/e.mp4", "x/y/drafts/z/f.mov", "g[1].mp4")
OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """What the catalog was given: media by id, their labels, and (root, relative path, time, media id) of files."""

    infos: dict
    labels: dict
    files: list

    def holds(self, condition, media_id):
        match condition:
            case Not(part):
                return not self.holds(part, media_id)
            case AllOf(parts):
                return all(self.holds(part, media_id) for part in parts)
            case AnyOf(parts):
                return any(self.holds(part, media_id) for part in parts)
        return self.compares(condition, media_id)

    def live(self):
        return sorted({media_id for *_, media_id in self.files})

    def compares(self, it, media_id):
        if it.field in {"path", "root", "date"}:
            files = [(root, path, at) for root, path, at, owner in self.files if owner == media_id]
            return any(self.compares_file(it, *file) for file in files)
        if it.field == "label":
            return OPERATORS[it.operator](it.text in self.labels[media_id], True)
        return compare_info(it, self.infos[media_id])

    def compares_file(self, it, root, path, at):
        if it.field == "date":
            return compare_dates(it, at)
        meant = it.text in {str(root), root.name}
        if it.field == "path":
            meant = is_named(it.text, root / path, self.paths())
        return OPERATORS[it.operator](meant, True)

    def paths(self):
        return [root / path for root, path, *_ in self.files]


def compare_info(it, info):
    sign = OPERATORS[it.operator]
    if it.field == "kind":
        return sign(info.kind, it.text)
    if it.field == "duration":
        return sign(info.duration_us, round(float(it.text) * 1e6))
    if it.field in {"sound", "picture"}:
        return sign((info.audio if it.field == "sound" else info.video) is not None, it.text == "yes")
    return info.video is not None and compare_pictures(it, info.video)


def compare_pictures(it, video):
    measured = {"width": video.width, "height": video.height, "resolution": min(video.width, video.height)}
    if it.field == "fps":  # two decimals are what people write
        return OPERATORS[it.operator](round(video.frames_per_second, 2), round(float(it.text), 2))
    asked = {"4k": 2160}.get(it.text) or int(it.text.removesuffix("p"))
    return OPERATORS[it.operator](measured[it.field], asked)


def compare_dates(it, at):
    """A day is compared with the day of the file, a minute with its minute, a second with its second."""
    kept = {10: "%Y-%m-%d", 16: "%Y-%m-%dT%H:%M", 19: "%Y-%m-%dT%H:%M:%S"}[len(it.text)]
    return OPERATORS[it.operator](at.strftime(kept), it.text)


def is_named(text, path, known):
    """Written once more: a pattern as one regular expression over the whole path."""
    if not re.search(r"[*?[]", text) or any(one.is_relative_to(text) for one in known):
        return path.is_relative_to(text)
    pattern = ""
    for part in re.findall(r"\*\*/|\*\*$|\*|\?|\[[^]]*\]|.", text):
        pattern += {"**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*", "?": "[^/]"}.get(part) or (
            part if part.startswith("[") else re.escape(part)
        )
    return re.fullmatch(pattern if text.startswith("/") else "/" + pattern, str(path), re.DOTALL) is not None


@pytest.fixture
def make_world(catalog, tmp_path):
    def make(seed, num_media=24):
        rng = np.random.default_rng(seed)
        roots = []
        for name in ("footage", "archive"):
            (tmp_path / name).mkdir(exist_ok=True)
            roots.append(catalog.add_root(tmp_path / name))
        ids = catalog.reserve_media_ids(num_media)
        infos = {media_id: random_info(rng) for media_id in ids}
        labels = {media_id: tuple(label for label in LABELS if rng.random() < 0.3) for media_id in ids}
        media = tuple(IndexedMedia(i, f"{seed}:{i}", infos[i]) for i in ids)
        states, files = [], []
        for media_id in ids:
            for copy in range(rng.integers(1, 4)):
                root = roots[rng.integers(2)]
                name = PurePosixPath(str(media_id), str(copy), NAMES[rng.integers(len(NAMES))])
                state = list(State)[rng.choice(4, p=[0.7, 0.1, 0.1, 0.1])]
                at = random_time(rng)
                mtime_ns = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
                reason = "It is broken." if state is State.FAILED else ""
                states.append(FileState(root.id, os.fsencode(name), 1, mtime_ns, state, reason, media_id))
                if state is State.INDEXED:
                    files.append((PurePosixPath(root.path), name, at, media_id))
        catalog.publish(Publication(media=media, files=tuple(states), labels=labels))
        return World(infos, labels, files)

    return make


def random_info(rng):
    kind = list(MediaKind)[rng.integers(3)]
    width, height = SIZES[rng.integers(len(SIZES))]
    video = VideoStream(0, "h264", width, height, 0, RATES[rng.integers(len(RATES))])
    audio = AudioStream(1, 0, "aac", 48_000, 2, is_default=True)
    has_sound = kind is MediaKind.SOUND or (kind is MediaKind.VIDEO and rng.random() < 0.7)
    duration_us = 0 if kind is MediaKind.PICTURE else round(DURATIONS_S[rng.integers(len(DURATIONS_S))] * 1e6)
    return MediaInfo(
        kind, duration_us, 0, "mov", None if kind is MediaKind.SOUND else video, audio if has_sound else None
    )


def random_time(rng):
    day = datetime.fromisoformat(DATES[rng.integers(len(DATES))]).replace(tzinfo=UTC)
    return day + timedelta(microseconds=int(rng.choice([0, 1, 999_999, 59_999_999, 86_399_999_999, -1])))


def comparisons(root):
    order = st.sampled_from(list(OPERATORS))
    equal = st.sampled_from(["=", "!="])
    paths = ["**/drafts/**", "**/*.mp4", "**/[ab].*", "**/x/**/*.mo?", f"{root}/*/0/*", f"{root}/**/drafts/*"]
    paths += [f"{root}", f"{root}/3", f"{root}/3/0/", f"{root}/3/0/g[1].mp4", f"{root.parent}", "/nowhere", "**/?"]
    values = {
        Field.PATH: (equal, paths),
        Field.ROOT: (equal, ["footage", str(root), "nothing"]),
        Field.LABEL: (equal, [*LABELS, "cat"]),
        Field.KIND: (equal, list(map(str, MediaKind))),
        Field.DURATION: (order, list(map(str, [*DURATIONS_S, 11]))),
        Field.DATE: (order, [*DATES, "1999-12-31", "2100-01-01"]),
        Field.WIDTH: (order, ["1920", "700"]),
        Field.HEIGHT: (order, ["1080", "2000"]),
        Field.RESOLUTION: (order, ["480p", "720p", "1080", "4k"]),
        Field.FPS: (order, ["23.98", "25", "29.97", "24"]),
        Field.SOUND: (equal, ["yes", "no"]),
        Field.PICTURE: (equal, ["yes", "no"]),
    }
    each = [
        st.builds(Comparison, st.just(field), some, st.sampled_from(them)) for field, (some, them) in values.items()
    ]
    return st.one_of(each)


def joined(parts):
    several = st.lists(parts, min_size=2, max_size=4).map(tuple)
    return several.map(AllOf) | several.map(AnyOf) | parts.map(Not)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_filter_chooses_the_live_media_for_which_it_holds(catalog, make_world, tmp_path, seed):
    world = make_world(seed)

    @given(st.recursive(comparisons(tmp_path / "footage"), joined, max_leaves=8))
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(condition):
        found = catalog.select_where(str(condition))
        assert found.dtype == np.int64
        assert found.tolist() == [it for it in world.live() if world.holds(condition, it)]

    holds()


@pytest.mark.parametrize("seed", range(2))
def test_every_comparison_is_met_by_some_and_not_by_others(catalog, make_world, tmp_path, seed):
    """So that the test above cannot pass by choosing nothing."""
    world = make_world(seed, num_media=60)
    texts = ["path='**/drafts/**'", "root=footage", "label='bass drum'", "kind=sound", "duration>10", "fps=23.976"]
    texts += ["date=2024-05-01", "width=1920", "height<1000", "resolution>=1080p", "sound=yes", "picture=no"]
    for text in texts:
        found = catalog.select_where(text)
        assert 0 < len(found) < len(world.live())
        assert sorted([*found, *catalog.select_where(f"not {text}")]) == world.live()


def test_a_media_is_met_by_one_of_its_files_and_missed_by_all(catalog, footage, add_media, film):
    root = catalog.add_root(footage)
    (both,) = add_media(root, film, names=[b"drafts/a.mp4"])
    catalog.set_files([FileState(root.id, b"final/a.mp4", 1, 1, State.INDEXED, media_id=both)])
    for text in (
        "path='**/drafts/**'",
        "path!='**/drafts/**'",
        f"path={footage}/drafts",
        f"path!={footage}/drafts",
    ):
        assert catalog.select_where(text).tolist() == [both]
        assert catalog.select_where(f"not {text}").tolist() == []


def test_a_known_path_is_no_pattern(catalog, footage, add_media, film):
    ids = add_media(catalog.add_root(footage), film, film, film, names=[b"c[1].mp4", b"c1.mp4", b"d[1]/a.mp4"])
    assert catalog.select_where(f"path='{footage}/c[1].mp4'").tolist() == ids[:1]
    assert catalog.select_where(f"path='{footage}/d[1]'").tolist() == ids[2:]
    assert catalog.select_where(f"path='{footage}/[c]1.mp4'").tolist() == ids[1:2]
    assert catalog.select_where("path='**/c[1].mp4'").tolist() == ids[1:2]


def test_names_that_are_no_text_are_matched(catalog, footage, add_media, film):
    root = catalog.add_root(footage)
    ids = add_media(root, film, film, film, names=[b"d/\xff\xfe.mp4", "d/\u00e4.mp4".encode(), b"new\nline.mp4"])
    assert catalog.select_where("path='**/??.mp4'").tolist() == ids[:1]
    assert catalog.select_where("path='**/\udcff*'").tolist() == ids[:1]
    assert catalog.select_where("path='**/\u00e4.mp4'").tolist() == ids[1:2]
    assert catalog.select_where("path='**/*\n*'").tolist() == ids[2:]


def test_labels_that_no_database_can_hold_are_compared_as_they_were_stored(catalog, footage, add_media, film):
    (media_id,) = add_media(catalog.add_root(footage), film)
    catalog.set_labels({media_id: ("a\0b",)})
    assert catalog.select_where("label='a\0b'").tolist() == [media_id]
    assert catalog.select_where("label='\ud800'").tolist() == []


def test_a_link_to_a_folder_is_that_folder(catalog, footage, tmp_path, add_media, film):
    ids = add_media(catalog.add_root(footage), film, film, names=[b"a/1.mp4", b"b/1.mp4"])
    (footage / "a").mkdir()
    (tmp_path / "way").symlink_to(footage / "a")
    assert catalog.select_where(f"path='{tmp_path}/way'").tolist() == ids[:1]
    assert catalog.select_where(f"path='{tmp_path}/way/*.mp4'").tolist() == ids[:1]


def test_links_that_go_in_a_circle_and_names_too_long_to_exist_are_no_accident(catalog, footage, tmp_path):
    catalog.add_root(footage)
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    long = "/".join(["x" * 200] * 19)
    for text in (f"path={tmp_path}/one/x", f"path=/{long}", f"path='/{long}/*'"):
        with contextlib.suppress(UsageError):  # which of them a system can look up is its own affair
            assert catalog.select_where(text).tolist() == []


def test_an_empty_library_and_an_empty_answer_are_arrays_too(catalog, footage, add_media, film):
    for text in ("kind=video", "path='**/*'", "not path='**/*'", "path!='**/*' or label=x"):
        assert catalog.select_where(text).shape == (0,)
    add_media(catalog.add_root(footage), film)
    assert catalog.select_where("label=x and path='**/*'").dtype == np.int64


@given(
    st.lists(st.sampled_from(["**", "a", "b", "*", "?b"]), max_size=6),
    st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=7),
)
@settings(deadline=None)
def test_names_match_as_they_do_for_other_commands(parts, path):
    glob = read_glob("/" + "/".join(["*", *parts]))
    assert match_names(glob.names, path) == glob.matches("/".join(path))


def test_a_pattern_of_many_folders_costs_no_more_than_its_length():
    glob = read_glob("/" + "**/a/" * 200 + "b")
    assert not match_names(glob.names, ["a"] * 1000)
    assert match_names(glob.names, ["a"] * 1000 + ["b"])
