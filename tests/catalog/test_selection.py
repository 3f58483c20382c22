"""Which media a filter wants, and which files a path or a pattern names."""

import os

import pytest

from avsearch.catalog import FileState, MediaFilter, State, selection
from avsearch.errors import LibraryError
from avsearch.moments import MediaKind

NAMES = [b"a.mp4", b"a/1.mp4", b"a/b/2.wav", b"a/b/3.png", b"a0/4.mp4", b"ab/5.wav", b"c[1].mp4", b"d/\xff\xfe.mp4"]


@pytest.fixture
def root(catalog, footage):
    for name in NAMES:
        path = footage / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return catalog.add_root(footage)


@pytest.fixture
def ids(catalog, root, add_media, film, sound, picture):
    """A media for each of NAMES."""
    info = {b"mp4": film, b"wav": sound, b"png": picture}
    ids = add_media(root, *(info[name.rsplit(b".")[-1]] for name in NAMES), names=NAMES)
    catalog.set_labels({ids[0]: ("dog",), ids[1]: ("dog", "rain"), ids[2]: ("rain",), ids[3]: ("Dog",)})
    return ids


def names_at(catalog, target):
    return [state.path for _, state in catalog.files_at(str(target))]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (MediaFilter(), [0, 1, 2, 3, 4, 5, 6, 7]),
        (MediaFilter(kind=MediaKind.SOUND), [2, 5]),
        (MediaFilter(kind=MediaKind.PICTURE), [3]),
        (MediaFilter(labels=("dog",)), [0, 1]),
        (MediaFilter(labels=("dog", "rain")), [0, 1, 2]),
        (MediaFilter(labels=("cat",)), []),
        (MediaFilter(kind=MediaKind.VIDEO, labels=("rain", "Dog")), [1]),
    ],
)
def test_media_are_those_for_which_all_conditions_hold(catalog, ids, wanted, expected):
    found = catalog.select_media(wanted)
    assert found.dtype == "int64"
    assert found.tolist() == [ids[at] for at in expected]


@pytest.mark.parametrize(
    ("under", "glob", "expected"),
    [
        ("", "", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("a", "", [1, 2, 3]),
        ("a/b", "", [2, 3]),
        ("a.mp4", "", [0]),
        ("a/b/../..", "", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("nothing", "", []),
        ("..", "", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("../elsewhere", "", []),
        ("", "*.mp4", [0, 6]),
        ("", "**/*.mp4", [0, 1, 4, 6, 7]),
        ("a", "**/*.mp4", [1]),
        ("", "a/*/*", [2, 3]),
        ("", "../*/a?/*", [4, 5]),
        ("", "d/*", [7]),
        ("", "d/??.mp4", [7]),
        ("", "a", [1, 2, 3]),
        ("a/b", "a", [2, 3]),
        ("", "a.mp4", [0]),
        ("", "nothing", []),
    ],
)
def test_media_are_found_by_where_their_files_are(catalog, footage, ids, under, glob, expected):
    """The root is `footage`; `..` is the folder around it."""
    wanted = MediaFilter(under=footage / under if under else None, glob=f"{footage}/{glob}" if glob else "")
    if glob.startswith(".."):
        wanted = MediaFilter(glob=f"{footage.parent}/{glob[3:]}")
    found = catalog.select_media(wanted)
    assert found.dtype == "int64"
    assert found.tolist() == [ids[at] for at in expected]


def test_one_file_of_a_media_must_meet_both_conditions_on_paths(catalog, root, footage, ids):
    copy = FileState(root.id, b"elsewhere/copy.mov", 1, 1, State.INDEXED, media_id=ids[1])
    catalog.set_files([copy])
    both = MediaFilter(under=footage / "a", glob=f"{footage}/**/*.mov")
    assert catalog.select_media(both).tolist() == []
    assert catalog.select_media(MediaFilter(glob=f"{footage}/**/*.mov")).tolist() == [ids[1]]


def test_only_live_media_are_wanted(catalog, root, footage, ids):
    states = [FileState(root.id, NAMES[1], 1, 1, State.REMOVED, media_id=ids[1])]
    states.append(FileState(root.id, NAMES[2], 1, 1, State.MISSING, media_id=ids[2]))
    catalog.set_files(states)
    kinds = [MediaFilter(kind=kind) for kind in MediaKind]
    others = [MediaFilter(), MediaFilter(labels=("dog", "rain")), MediaFilter(under=footage / "a")]
    for wanted in [*kinds, *others, MediaFilter(glob=f"{footage}/**")]:
        assert not {ids[1], ids[2]} & set(catalog.select_media(wanted).tolist())


def test_a_path_names_a_file_or_all_below_a_folder(catalog, footage, ids, monkeypatch):
    assert names_at(catalog, footage / "a") == [b"a/1.mp4", b"a/b/2.wav", b"a/b/3.png"]
    assert names_at(catalog, f"{footage}/a/") == [b"a/1.mp4", b"a/b/2.wav", b"a/b/3.png"]
    assert names_at(catalog, footage / "a.mp4") == [b"a.mp4"]
    assert sorted(names_at(catalog, footage.parent)) == sorted(NAMES)
    assert names_at(catalog, footage / "nothing") == []
    monkeypatch.chdir(footage / "a")
    assert names_at(catalog, "b") == [b"a/b/2.wav", b"a/b/3.png"]
    assert names_at(catalog, ".") == [b"a/1.mp4", b"a/b/2.wav", b"a/b/3.png"]
    assert names_at(catalog, "*") == [b"a/1.mp4"]
    assert names_at(catalog, "../a*/*.wav") == [b"ab/5.wav"]


def test_files_are_named_in_any_state_and_with_their_root(catalog, root, footage, ids):
    (footage / "a" / "1.mp4").unlink()
    catalog.set_files(
        [
            FileState(root.id, b"a/1.mp4", 1, 1, State.REMOVED, media_id=ids[1]),
            FileState(root.id, b"a/bad.mp4", 1, 1, State.FAILED, "It is empty."),
        ]
    )
    found = catalog.files_at(str(footage / "a"))
    assert {known for known, _ in found} == {root}
    assert [(state.path, state.state) for _, state in found] == [
        (b"a/1.mp4", State.REMOVED),
        (b"a/b/2.wav", State.INDEXED),
        (b"a/b/3.png", State.INDEXED),
        (b"a/bad.mp4", State.FAILED),
    ]


def test_files_are_in_the_order_of_their_roots_and_paths(catalog, root, footage, tmp_path, ids):
    (tmp_path / "second").mkdir()
    second = catalog.add_root(tmp_path / "second")
    late = [(of.id, name) for of in (second, root) for name in (b"a/9", b"a/0")]
    catalog.set_files([FileState(*one, 1, 1, State.FAILED, "It is empty.") for one in late])
    found = [(of.id, state.path) for of, state in catalog.files_at(f"{tmp_path}/**/[0-9]*")]
    assert found == sorted(found)
    assert [path for of, path in found if of == second.id] == [b"a/0", b"a/9"]


def test_a_folder_is_taken_out_without_its_files_being_read(catalog, footage, ids, monkeypatch):
    monkeypatch.setattr(selection, "_rows_at", None)
    assert catalog.remove_files([str(footage / "a")]) == 3
    assert catalog.select_media(MediaFilter()).tolist() == [ids[at] for at in (0, 4, 5, 6, 7)]


def test_a_known_or_existing_path_is_no_pattern(catalog, footage, ids):
    assert names_at(catalog, footage / "c[1].mp4") == [b"c[1].mp4"]
    (footage / "c[1].mp4").unlink()
    assert names_at(catalog, footage / "c[1].mp4") == [b"c[1].mp4"]
    assert names_at(catalog, footage / "[ac].mp4") == [b"a.mp4"]
    (footage / "[ac].mp4").touch()
    assert names_at(catalog, footage / "[ac].mp4") == []


def test_a_link_to_a_folder_is_that_folder_and_a_link_to_a_file_is_a_file(catalog, root, footage, tmp_path, ids):
    (tmp_path / "way").symlink_to(footage / "a")
    assert names_at(catalog, tmp_path / "way") == [b"a/1.mp4", b"a/b/2.wav", b"a/b/3.png"]
    assert names_at(catalog, tmp_path / "way" / "1.mp4") == [b"a/1.mp4"]
    assert names_at(catalog, f"{tmp_path}/way/*.mp4") == [b"a/1.mp4"]
    (footage / "link.mp4").symlink_to(footage / "a.mp4")
    assert names_at(catalog, footage / "link.mp4") == []
    catalog.set_files([FileState(root.id, b"link.mp4", 1, 1, State.INDEXED, media_id=ids[0])])
    assert names_at(catalog, footage / "link.mp4") == [b"link.mp4"]


def test_a_folder_above_several_roots_names_the_files_of_all(catalog, footage, tmp_path, ids, add_media, sound):
    second = tmp_path / "more"
    second.mkdir()
    other = catalog.add_root(second)
    (media_id,) = add_media(other, sound, names=[b"x.wav"])
    assert {(known.path, state.path) for known, state in catalog.files_at(f"{tmp_path}/*/*.[mw]*")} == {
        (footage, b"a.mp4"),
        (footage, b"c[1].mp4"),
        (second, b"x.wav"),
    }
    assert len(catalog.files_at(str(tmp_path))) == len(NAMES) + 1
    assert catalog.select_media(MediaFilter(under=second)).tolist() == [media_id]


def test_a_library_without_roots_names_nothing(catalog, tmp_path):
    assert catalog.files_at(str(tmp_path)) == catalog.files_at(f"{tmp_path}/**") == []
    assert catalog.select_media(MediaFilter(under=tmp_path)).tolist() == []


def test_removed_files_are_out_in_one_commit(catalog, root, footage, ids):
    failed = FileState(root.id, b"a/bad.mp4", 1, 1, State.FAILED, "It is empty.")
    catalog.set_files([failed])
    assert catalog.remove_files([str(footage / "a"), f"{footage}/**/3.*", str(footage / "d")]) == 5
    states = {path: (state.state, state.reason) for path, state in catalog.files_of(root.id).items()}
    out = {b"a/1.mp4", b"a/b/2.wav", b"a/b/3.png", b"a/bad.mp4", NAMES[7]}
    assert {path for path, (state, _) in states.items() if state is State.REMOVED} == out
    assert {reason for _, reason in states.values()} == {""}
    assert catalog.select_media(MediaFilter()).tolist() == [ids[0], ids[4], ids[5], ids[6]]
    assert catalog.remove_files([str(footage / "a"), str(footage / "a.mp4")]) == 1


def test_nothing_is_removed_when_one_target_names_nothing(catalog, root, footage, ids):
    before = catalog.files_of(root.id)
    with pytest.raises(LibraryError, match=r"nothing\*: the library knows no such file\. Give a file or a folder"):
        catalog.remove_files([str(footage / "a"), f"{footage}/nothing*"])
    assert catalog.files_of(root.id) == before
