"""`avsearch library optimize`, and what other commands say of it."""

import pytest

from avsearch.cli.library.optimize import memory_bytes
from avsearch.errors import UsageError
from avsearch.vectors.ann import choosing, kinds
from avsearch.vectors.ann.approximate import Approximate
from tests.cli.command import here, objects
from tests.vectors.ann.large import grow


@pytest.fixture
def large(own_library, monkeypatch):
    """The films, and two thousand made-up moments of each modality, which count as many."""
    monkeypatch.setattr(kinds, "SMALLEST_ROWS", 500)
    monkeypatch.setattr(choosing, "WORTH", 0.0)
    return own_library, f"{grow(own_library)}:audio:7000000"


def test_an_index_is_used_told_about_and_left_out_when_asked(large, monkeypatch):
    library, moment = large
    code, out, errors = here("library", "optimize", "--recall", "0.9", "--library", library, "--json")
    assert code == 0, errors
    told = objects(out)
    assert [it["modality"] for it in told] == ["image", "audio"]
    assert all(min(it["index"]["recall"].values()) >= 0.9 for it in told)
    assert "is used from now on" in errors
    asked = []
    real = Approximate.nearest
    monkeypatch.setattr(Approximate, "nearest", lambda *given, **wishes: asked.append(1) or real(*given, **wishes))
    words = ["--like", moment, "--find", "audio", "--library", library, "--json", "-k", "1"]
    found = [objects(here("query", *words, *more)[1])[0]["moment_id"] for more in ([], ["--exact"])]
    assert found == [moment, moment]
    assert len(asked) == 1


@pytest.mark.slow
def test_status_verify_and_the_table_tell_about_an_index(large):
    library, _ = large
    code, out, _ = here("library", "optimize", "--recall", "0.9", "--library", library)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        "image-image", "audio-image", "image-audio", "audio-audio",
    ]  # fmt: skip
    table = here("library", "status", "--library", library)[1]
    assert "image index" in table
    assert "are newer" not in table
    (status,) = objects(here("library", "status", "--library", library, "--json")[1])
    for it in status["indexes"].values():
        assert it["num_covered"] == it["num_rows"] == it["moments"]
    assert here("library", "verify", "--library", library)[0] == 0
    (path, *_) = (library / "ann").glob("*.faiss")
    path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = here("library", "verify", "--library", library)
    assert code == 1
    assert path.name in out


def test_a_small_library_is_told_that_exact_search_stays(own_library):
    code, out, errors = here("library", "optimize", "--library", own_library)
    assert (code, out) == (0, "")
    assert "image: exact search stays" in errors
    code, out, _ = here("library", "optimize", "--library", own_library, "--json")
    assert [(it["modality"], it["index"]) for it in objects(out)] == [("image", None), ("audio", None)]
    (told,) = objects(here("library", "status", "--library", own_library, "--json")[1])
    assert told["indexes"] == {}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 10**9),
        ("1.5 GB", 15 * 10**8),
        ("512MiB", 512 << 20),
        ("1000000", 10**6),
        ("2k", 2000),
        ("1T", 10**12),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-4GB", "4 apples", "0", "4iB", "1e9"])
def test_what_is_no_size_is_said(text):
    with pytest.raises(UsageError, match="is no size"):
        memory_bytes(text)


def test_by_default_half_of_the_memory_may_be_taken():
    with open("/proc/meminfo") as file:  # noqa: PTH123
        total = int(file.readline().split()[1]) * 1024
    assert memory_bytes(None) == pytest.approx(total / 2, rel=0.01)


@pytest.mark.parametrize("words", [["--recall", "0"], ["--recall", "1.2"], ["--memory", "much"]])
def test_what_cannot_be_wanted_is_wrong_usage(own_library, words):
    code, _, errors = here("library", "optimize", "--library", own_library, *words)
    assert code == 2
    assert errors.startswith("error: ")
