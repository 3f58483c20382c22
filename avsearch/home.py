"""Where the library of a user lies who names none; light, since a command that a server answers asks here too."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

ENVIRONMENT_VARIABLE = "AVSEARCH_LIBRARY"


def default_library() -> Path:
    """`AVSEARCH_LIBRARY`, else a folder in the user's data directory."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("avsearch") / "library"
