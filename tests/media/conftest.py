"""Decoys: clips that no attack may get at."""

import shutil

import pytest

from tests.media import attacks


@pytest.fixture(scope="module")
def decoys(tmp_path_factory):
    return attacks.decoy_clip(tmp_path_factory.mktemp("decoys")).parent


@pytest.fixture
def folder(decoys, tmp_path):
    """A folder with a clip that no attack may get at."""
    for name in ("decoy.mp4", "decoy.ts"):
        shutil.copy(decoys / name, tmp_path)
    return tmp_path
