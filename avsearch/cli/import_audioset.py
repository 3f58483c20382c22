"""`avsearch import audioset`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from avsearch.cli.options import JsonOption
from avsearch.cli.output import counted, failure_record, list_failures, print_json, print_path, say
from avsearch.errors import ManifestError, unwritable

Segments = Annotated[
    Path, typer.Argument(help="A list of segments, such as eval_segments.csv.", metavar="CSV", show_default=False)
]
OntologyOption = Annotated[Path, typer.Option("--ontology", metavar="JSON", help="AudioSet's ontology.json.")]
FolderOption = Annotated[
    Path,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Folder of the clips, to any depth; their names are YTID, YTID_START or YTID_START_END.",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="CSV", help="Manifest to write.")]
Instruments = Annotated[
    bool,
    typer.Option("--instruments", help="Only clips with one of the 110 classes of AudioSet-Instruments."),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="NAME",
        help="Split of all rows that are written.",
        show_default="test for a list whose name begins with eval, else train",
    ),
]


def audioset(
    segments: Segments,
    *,
    split: SplitOption = None,
    ontology: OntologyOption,
    folder: FolderOption,
    instruments: Instruments = False,
    out: OutOption,
    as_json: JsonOption = False,
) -> None:
    """Make a manifest of AudioSet clips that lie on this machine.

    Labels are the names of the classes, their ids stand in a column of their own. Segments without a clip in the
    folder are counted and left out.

    Example: avsearch import audioset eval_segments.csv --ontology ontology.json --folder clips --out eval.csv
    """
    from avsearch import audioset as lists
    from avsearch import media

    known = lists.read_ontology(ontology)
    wanted = lists.read_segments(segments)
    if instruments:
        wanted = lists.with_any(wanted, known.below(lists.INSTRUMENT_ROOTS))
    found, absent = lists.found_clips(wanted, media.media_files([folder]), folder)
    if not found:
        none = f"{folder}: holds none of the {counted(len(wanted), 'segment')}."
        raise ManifestError(none, hint="Name the clips YTID.mp4 or YTID_START.mp4.")
    usual = "test" if segments.name.startswith("eval") else "train"
    _write(out, lists.COLUMNS, lists.manifest_rows(found, known, split=split or usual, manifest=out))
    say(f"{counted(len(found), 'clip')} of {counted(len(wanted), 'segment')}.")
    if as_json:
        told = {"manifest": str(out), "clips": len(found), "segments": len(wanted)}
        print_json(told | {"failed": [failure_record(it) for it in absent]})
    else:
        print_path(out)
    if absent:
        list_failures(absent)
        raise typer.Exit(3)


def _write(out: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    from avsearch.manifest import write_manifest

    try:
        write_manifest(out, columns, rows)
    except OSError as error:
        raise unwritable(ManifestError, out, error.strerror) from error
    except UnicodeError as error:
        raise ManifestError(f"{out}: cannot hold all names ({error}).", hint="Rename the clips.") from error
