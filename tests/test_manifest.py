"""Truth here: CSV text written in the test."""

import pytest

from avsearch.errors import ManifestError
from avsearch.manifest import read_manifest, write_manifest

TEXT = """path,labels,split,photo
clips/a.mp4,flute;woodwind,train,p1
b.mp4, drums ; ;,test,
"""


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(TEXT, encoding="utf-8")
    return read_manifest(path)


def rejected(tmp_path, text):
    path = tmp_path / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    return str(caught.value)


def test_paths_are_relative_to_the_csv_and_labels_are_split_at_semicolons(manifest, tmp_path):
    flute, drums = manifest.rows
    assert flute.path == tmp_path / "clips" / "a.mp4"
    assert flute.labels == ("flute", "woodwind")
    assert drums.labels == ("drums",)
    assert (flute.split, drums.split) == ("train", "test")


def test_every_column_is_kept_as_written(manifest):
    assert manifest.columns == ("path", "labels", "split", "photo")
    assert manifest.rows[0].columns["photo"] == "p1"
    assert manifest.rows[1].labels_in("photo") == ()


def test_a_byte_order_mark_and_a_missing_last_field_do_no_harm(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_bytes(b"\xef\xbb\xbfpath,labels,split,photo\r\na.mp4,flute,test\r\n")
    assert read_manifest(path).rows[0].columns["photo"] == ""


def test_an_absolute_path_stays_what_it_is(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("path,labels,split\n/elsewhere/a.mp4,flute,test\n", encoding="utf-8")
    assert str(read_manifest(path).rows[0].path) == "/elsewhere/a.mp4"


def test_an_unknown_split_names_those_that_there_are(manifest):
    assert [row.path.name for row in manifest.in_split("train")] == ["a.mp4"]
    with pytest.raises(ManifestError, match="Its splits are: test, train"):
        manifest.in_split("val")


def test_an_unknown_column_names_those_that_there_are(manifest):
    manifest.require_columns(["photo"])
    with pytest.raises(ManifestError, match=r"no column recordings.*path, labels, split, photo"):
        manifest.require_columns(["photo", "recordings"])


def test_what_is_no_manifest_is_refused_with_what_is_wrong(tmp_path):
    assert "no column split" in rejected(tmp_path, "path,labels\na.mp4,flute\n")
    assert "no rows" in rejected(tmp_path, "path,labels,split\n")
    assert "stands in it twice" in rejected(tmp_path, "path,labels,split\na.mp4,x,test\na.mp4,y,test\n")
    assert "no column" in rejected(tmp_path, "")


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="there is no such file"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path / "binary.csv")


def test_what_is_written_reads_back_the_same(tmp_path):
    path = tmp_path / "manifest.csv"
    write_manifest(path, ["path", "labels", "split"], [{"path": "ä,b.mp4", "labels": 'a;"b"', "split": "val"}])
    row = read_manifest(path).rows[0]
    assert (row.path, row.labels, row.split) == (tmp_path / "ä,b.mp4", ("a", '"b"'), "val")
