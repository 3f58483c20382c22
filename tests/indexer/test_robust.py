import csv

import pytest

from avsearch.library import open_library, verify
from avsearch.moments import Silent
from indexer.build import IndexJob, index
from tests.tiny import tiny_weights


@pytest.mark.slow
def test_every_file_of_the_media_test_suites_ends_indexed_or_failed_with_its_own_reason(shared_data, tmp_path):
    with (shared_data / "robust" / "files.csv").open() as file:
        paths = [shared_data / "robust" / row["path"] for row in csv.DictReader(file)]
    weights = tiny_weights(tmp_path / "encoder.safetensors")
    result = index(IndexJob(paths, tmp_path / "lib", model=weights), Silent())
    assert result.num_indexed + len(result.failures) == len(paths)
    assert result.num_indexed >= 57
    assert all(failure.reason and str(failure.path) not in failure.reason for failure in result.failures)
    assert verify(open_library(tmp_path / "lib")) == []
