import io
import os
import tarfile
from contextlib import closing
from dataclasses import replace

import pytest

from avsearch import media
from avsearch.errors import MediaError
from avsearch.moments import Silent
from tests.models import tiny
from trainer.cache import fill_cache, path_of
from trainer.loop import train
from trainer.sources import find_sources
from trainer.tars import copied, member_hash, members, sweep_copies

GREATEST = 8 << 30


def shard(path, contents, *, format_=tarfile.PAX_FORMAT):
    """A tar file of (name, bytes) or whole headers."""
    with closing(tarfile.open(path, "w", format=format_)) as tar:
        for item in contents:
            if isinstance(item, tarfile.TarInfo):
                tar.addfile(item)
                continue
            name, data = item
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def header(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def names(tar):
    return [member.name for member in members(tar)[0]]


@pytest.fixture
def clips(clips_folder):
    return sorted(clips_folder.glob("*.mp4"))


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_videos_of_a_shard_are_its_sources_and_what_lies_beside_them_is_not(tmp_path, clips, format_):
    key = "a" * 70 + "/" + "b" * 80  # longer than a plain header takes
    contents = [(f"{key}.mp4", b"12"), (f"{key}.json", b"{}"), ("c.txt", b"x"), ("d.WEBM", b"345"), ("e.mov", b"6")]
    tar = shard(tmp_path / "s.tar", contents, format_=format_)
    assert names(tar) == [f"{key}.mp4", "d.WEBM", "e.mov"]
    for member, data in zip(members(tar)[0], (b"12", b"345", b"6"), strict=True):
        with copied(member, tmp_path) as path:
            assert path.read_bytes() == data
        assert not path.exists()


def test_clips_from_a_shard_are_those_of_the_same_files(tmp_path, clips):
    tar = shard(tmp_path / "s.tar", [(f"k{n}.mp4", clip.read_bytes()) for n, clip in enumerate(clips[:2])])
    from_tar, failures = fill_cache(find_sources([tar], None).train, tmp_path / "a", tiny.FRONT_END, Silent())
    from_files, _ = fill_cache(clips[:2], tmp_path / "b", tiny.FRONT_END, Silent())
    assert not failures
    assert [clip.content_hash for clip in from_tar] == [media.content_hash(path) for path in clips[:2]]
    assert [str(clip.source) for clip in from_tar] == [f"{tar}/k0.mp4", f"{tar}/k1.mp4"]
    for one, other in zip(from_tar, from_files, strict=True):
        assert one.record.checksum == other.record.checksum
    assert not list((tmp_path / "a").rglob("member-*"))


def test_a_bad_member_is_listed_by_shard_and_name_and_the_others_are_used(tmp_path, clips):
    tar = shard(tmp_path / "s.tar", [("bad.mp4", b"no video"), ("good.mp4", clips[0].read_bytes())])
    found, failures = fill_cache(find_sources([tar], None).train, tmp_path / "cache", tiny.FRONT_END, Silent())
    assert [clip.source.name for clip in found] == ["good.mp4"]
    [failure] = failures
    assert str(failure.path) == f"{tar}/bad.mp4"
    assert "member-" not in failure.reason


@pytest.mark.slow
def test_a_folder_of_shards_trains(tmp_path, job, clips):
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(2):
        held = clips[4 * number : 4 * number + 4]
        shard(folder / f"s-{number}.tar", [(f"k{n}.mp4", clip.read_bytes()) for n, clip in enumerate(held)])
    (folder / ".hidden.tar").write_bytes(b"")
    trained = train(replace(job, paths=[folder]), Silent())
    assert not trained.failures
    assert trained.header.provenance["training_media"] == 6


def test_folders_of_files_and_of_shards_go_together(tmp_path, clips):
    (tmp_path / "tars").mkdir()
    tar = shard(tmp_path / "tars" / "s.tar", [("a.mp4", b"1")])
    found = find_sources([tmp_path / "tars", clips[0].parent], None).train
    assert [path_of(source) for source in found] == [*clips, tar / "a.mp4"]
    (tmp_path / "none").mkdir()
    with pytest.raises(MediaError, match="no media"):
        find_sources([tmp_path / "none", tar], None)


def test_a_manifest_may_name_members_and_whole_shards(tmp_path):
    for name in ("s", "t", "u"):
        shard(tmp_path / f"{name}.tar", [("x/a.mp4", b"1"), ("b.mp4", b"2")])
    rows = ["s.tar/x/a.mp4,,train", "s.tar/b.mp4,,test", "t.tar,,val", "u.tar/c.mp4,,train"]
    (tmp_path / "m.csv").write_text("\n".join(["path,labels,split", *rows]) + "\n")
    sources = find_sources([tmp_path], tmp_path / "m.csv")
    assert [path_of(source) for source in sources.train] == [tmp_path / "s.tar/x/a.mp4"]
    assert [path_of(source) for source in sources.val] == [tmp_path / "t.tar/x/a.mp4", tmp_path / "t.tar/b.mp4"]
    assert [failed.path for failed in sources.failures] == [tmp_path / "u.tar/c.mp4"]


HOSTILE_NAMES = [
    "/etc/passwd.mp4",
    "../../up.mp4",
    "a/../../b.mp4",
    "-rf.mp4",
    "n\nl.mp4",
    "\x1b[2J.mp4",
    ".mp4",
    "%d.mp4",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_only_shown(tmp_path, clips, name):
    tar = shard(tmp_path / "s.tar", [(name, clips[0].read_bytes())])
    found, _ = members(tar)
    if name == ".mp4":
        assert not found  # a name without an extension
        return
    clips_found, failures = fill_cache(found, tmp_path / "cache", tiny.FRONT_END, Silent())
    assert not failures
    assert len(clips_found) == 1
    assert str(found[0].path).startswith(f"{tar}/")
    assert {path.name for path in tmp_path.iterdir()} == {"s.tar", "cache"}
    assert {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {".clips", ".jsonl"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_links_and_devices_are_listed_and_never_followed(tmp_path, kind):
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    tar = shard(tmp_path / "s.tar", [header("a.mp4", kind, str(tmp_path / "secret.mp4")), ("b.mp4", b"1")])
    found, failures = members(tar)
    assert [member.name for member in found] == ["b.mp4"]
    assert [failed.reason for failed in failures] == ["is not a regular file."]


def test_a_member_that_claims_more_than_there_is_ends_the_shard_and_what_came_before_is_used(tmp_path):
    tar = shard(tmp_path / "s.tar", [("a.mp4", b"1"), ("b.mp4", b"2")])
    data = bytearray(tar.read_bytes())
    huge = tarfile.TarInfo("b.mp4")
    huge.size = GREATEST
    data[1024:1536] = huge.tobuf(tarfile.GNU_FORMAT)
    tar.write_bytes(data)
    found, failures = members(tar)
    assert [member.name for member in found] == ["a.mp4"]
    assert "outside the file" in failures[0].reason


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path):
    long_name = header("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    long_name.size = GREATEST
    tar = tmp_path / "s.tar"
    tar.write_bytes(long_name.tobuf(tarfile.GNU_FORMAT))
    os.truncate(tar, GREATEST)  # all hole
    found, failures = members(tar)
    assert not found
    assert "1 MiB" in failures[0].reason


def test_headers_upon_headers_end(tmp_path):
    name = header("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    name.size = 2
    tar = tmp_path / "s.tar"
    tar.write_bytes((name.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")) * 5_000)
    assert len(members(tar)[1]) == 1


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "flipped"])
def test_a_damaged_shard_is_one_failure_and_no_exception(tmp_path, damage):
    tar = shard(tmp_path / "s.tar", [(f"{n}.mp4", bytes(3000)) for n in range(3)])
    data = tar.read_bytes()
    changed = {"cut": data[:5000], "text": b"no tar" * 300, "empty": b"", "flipped": b"\xff" + data[1:]}[damage]
    tar.write_bytes(changed)
    found, failures = members(tar)
    assert [failed.path for failed in failures] == [tar]
    assert len(found) == (1 if damage == "cut" else 0)


def test_a_shard_that_is_cut_short_after_it_was_listed_says_so(tmp_path):
    tar = shard(tmp_path / "s.tar", [("a.mp4", bytes(3000))])
    [member], _ = members(tar)
    os.truncate(tar, 2000)
    with pytest.raises(MediaError, match=r"s\.tar/a\.mp4: its bytes are not all there"):
        member_hash(member)


def test_copies_that_a_killed_run_left_are_deleted_a_day_later(tmp_path):
    old, new = tmp_path / "member-old.mp4", tmp_path / "member-new.mp4"
    for path in (old, new):
        path.write_bytes(b"1")
    os.utime(old, (0, 0))
    sweep_copies(tmp_path)
    assert not old.exists()
    assert new.exists()
