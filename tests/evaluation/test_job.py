"""Truth here: paths and small films written by the test."""

from pathlib import Path

import pytest

from avsearch.errors import UsageError
from avsearch.evaluation.items import EvaluationSettings
from avsearch.evaluation.job import EvaluateJob, source_names

SETTINGS = EvaluationSettings(Path("manifest.csv"))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/runs/a/encoder.safetensors"], ["a"]),
        (["/runs/a/encoder.safetensors", "/runs/b/encoder.safetensors"], ["a", "b"]),
        (["/x/run/encoder.safetensors", "/y/run/encoder.safetensors"], ["x/run", "y/run"]),
        (["/models/a.safetensors", "/models/b.safetensors"], ["a.safetensors", "b.safetensors"]),
        (["/lib/encoder.safetensors", "/lib/encoder.safetensors"], ["lib", "lib"]),
    ],
)
def test_sources_have_the_shortest_names_that_tell_them_apart(paths, names):
    assert source_names([Path(path) for path in paths]) == names


def test_libraries_and_weights_files_are_never_evaluated_together(tmp_path):
    library, weights = tmp_path / "library", tmp_path / "encoder.safetensors"
    library.mkdir()
    with pytest.raises(UsageError, match="one table cannot hold both"):
        EvaluateJob([library, weights], SETTINGS, tmp_path, compared=True)


def test_a_comparison_is_of_two_and_only_drawn_frames_have_seeds(tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    with pytest.raises(UsageError, match="two of it to compare"):
        EvaluateJob([tmp_path / "one"], SETTINGS, tmp_path, compared=True)
    with pytest.raises(UsageError, match="only weights files have several seeds"):
        EvaluateJob([library], SETTINGS, tmp_path, num_seeds=2)
    assert EvaluateJob([tmp_path / "one"], SETTINGS, tmp_path, num_seeds=2).num_seeds == 2
