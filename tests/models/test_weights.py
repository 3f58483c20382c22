import json
import os
import stat
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from avsearch.errors import WeightsError
from avsearch.models.weights import read_header, save_weights, verify_weights
from tests.models import tiny

TENSORS = {"vision.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "vision.count": np.array(7)}


def save(path, *, tensors=None, **changes):
    return save_weights(path, tensors or TENSORS, replace(tiny.HEADER, **changes))


def write_header(path, fields):
    """A safetensors file with any text for a header."""
    save_file({"a": np.zeros(1, np.float32)}, path, metadata={"avsearch": json.dumps(fields)})
    return path


def tensor_ranges(data):
    """Where the bytes of each tensor lie, by the safetensors format: length, JSON, buffer."""
    length = int.from_bytes(data[:8], "little")
    index = json.loads(data[8 : 8 + length])
    index.pop("__metadata__")
    return {name: [8 + length + offset for offset in entry["data_offsets"]] for name, entry in index.items()}


def test_a_header_comes_back_as_it_was_saved_with_its_fingerprint(tmp_path):
    saved = save(tmp_path / "a.safetensors")
    header = read_header(tmp_path / "a.safetensors")
    assert header == saved
    assert replace(header, fingerprint="") == tiny.HEADER
    assert len(bytes.fromhex(header.fingerprint)) == 16
    assert header.recipe_name == "ave-nce"


def test_a_header_is_read_without_torch(tmp_path):
    save(tmp_path / "a.safetensors")
    program = (
        "import sys, pathlib, avsearch.models.weights as w; "
        "w.verify_weights(pathlib.Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.safetensors")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_nothing_but_the_weights_file_is_left(tmp_path):
    save(tmp_path / "a.safetensors")
    save(tmp_path / "a.safetensors", size="paper")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert read_header(tmp_path / "a.safetensors").size == "paper"


def test_others_may_read_the_weights_as_far_as_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        save(tmp_path / "a.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o644


def test_a_whole_file_passes_the_check(tmp_path):
    header = save(tmp_path / "a.safetensors")
    assert verify_weights(tmp_path / "a.safetensors") == header.fingerprint


def test_one_flipped_bit_in_any_tensor_is_found(tmp_path):
    path = tmp_path / "a.safetensors"
    tiny.save(path)
    whole = path.read_bytes()
    ranges = tensor_ranges(whole)
    assert len(ranges) == 2 * 8 * 6 + 2 * 4 + 2  # towers, heads, fc3
    rng = np.random.default_rng(0)
    for begin, end in ranges.values():
        damaged = bytearray(whole)
        damaged[rng.integers(begin, end)] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match="damaged"):
            verify_weights(path)


def test_a_front_end_changed_behind_its_back_is_found(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path)
    path.write_bytes(path.read_bytes().replace(b'log_mean\\": 0.0', b'log_mean\\": 0.5'))
    assert read_header(path).front_end.log_mean == 0.5
    with pytest.raises(WeightsError, match="damaged"):
        verify_weights(path)


def test_the_fingerprint_changes_with_what_changes_vectors(tmp_path):
    one_weight = {**TENSORS, "vision.weight": np.nextafter(TENSORS["vision.weight"], np.float32(9))}
    renamed = {"audio.weight": TENSORS["vision.weight"], "vision.count": TENSORS["vision.count"]}
    fingerprints = [
        header.fingerprint
        for header in (
            save(tmp_path / "a"),
            save(tmp_path / "b", tensors=one_weight),
            save(tmp_path / "c", tensors=renamed),
            save(tmp_path / "d", front_end=replace(tiny.FRONT_END, log_mean=0.1)),
            save(tmp_path / "e", architecture="avol"),
            save(tmp_path / "f", num_frames=25, front_end=replace(tiny.FRONT_END, num_frames=25)),
            save(tmp_path / "g", num_frames=25, front_end=replace(tiny.FRONT_END, num_frames=25, flow=True)),
            save(tmp_path / "h", front_end=replace(tiny.FRONT_END, pixel_mean=(0.45, 0.45, 0.45))),
        )
    ]
    assert len(set(fingerprints)) == 8


def test_weights_from_before_there_were_several_frames_keep_their_fingerprint(tmp_path):
    header = save(tmp_path / "a")
    assert header.fingerprint == "a9ba58bdec1d6ae154cc417647a6ddb4"  # as version 0.1.0's first commits wrote it
    fields = json.loads(metadata_of(tmp_path / "a"))
    for later in ("num_frames", "flow"):
        del fields["front_end"][later]
    save_file(TENSORS, tmp_path / "old", metadata={"avsearch": json.dumps(fields)})
    assert read_header(tmp_path / "old") == header
    assert verify_weights(tmp_path / "old") == header.fingerprint


def test_a_header_that_contradicts_its_front_end_about_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="frames"):
        save(tmp_path / "a", num_frames=25)


def test_means_of_each_colour_come_back_as_they_were_saved(tmp_path):
    front_end = replace(tiny.FRONT_END, pixel_mean=(0.485, 0.456, 0.406), pixel_std=(0.229, 0.224, 0.225))
    save(tmp_path / "a", front_end=front_end)
    assert read_header(tmp_path / "a").front_end == front_end


def test_the_fingerprint_does_not_change_with_where_the_weights_come_from(tmp_path):
    elsewhere = save(tmp_path / "b", provenance={"seed": 1}, recipe={"name": "ave"}, size="paper")
    assert elsewhere.fingerprint == save(tmp_path / "a").fingerprint


@pytest.mark.parametrize("content", [b"", b"a text", b"\xff" * 100, b"\x10" + b"\0" * 7 + b"{not json at all"])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a weights file") as caught:
        read_header(path)
    assert "avsearch train" in caught.value.hint


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(WeightsError, match="no such weights file") as caught:
            read_header(path)
        assert "avsearch train" in caught.value.hint


def test_a_file_cut_short_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="not a weights file"):
        read_header(path)


def test_weights_of_another_program_are_refused(tmp_path):
    save_file({"a": np.zeros(1)}, tmp_path / "a", metadata={"format": "pt"})
    save_file({"a": np.zeros(1)}, tmp_path / "b")
    for path in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(WeightsError, match="not a weights file of avsearch"):
            read_header(path)


def test_a_file_of_a_newer_format_asks_for_an_upgrade(tmp_path):
    with pytest.raises(WeightsError, match="newer") as caught:
        read_header(write_header(tmp_path / "a", {"format": 2}))
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("fields", [{}, {"format": 1}, [], {"format": "one"}])
def test_a_header_that_lacks_what_is_needed_is_refused(tmp_path, fields):
    with pytest.raises(WeightsError, match="not a weights file"):
        read_header(write_header(tmp_path / "a", fields))


@pytest.mark.parametrize("damage", ["text", "hop"])
def test_a_header_of_the_wrong_kind_is_refused(tmp_path, damage):
    save(tmp_path / "a")
    fields = json.loads(metadata_of(tmp_path / "a"))
    fields["front_end"]["hop"] = 0
    with pytest.raises(WeightsError, match="not a weights file"):
        read_header(write_header(tmp_path / "b", "avsearch" if damage == "text" else fields))


def test_tensors_are_readable_without_avsearch(tmp_path):
    save(tmp_path / "a")
    np.testing.assert_array_equal(load_file(tmp_path / "a")["vision.weight"], TENSORS["vision.weight"])


def metadata_of(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["avsearch"]
