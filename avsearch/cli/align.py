"""`avsearch align`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.options import DeviceOption, JsonOption, ManifestNeeded, WeightsOut, cache_option
from avsearch.cli.output import (
    counted,
    failure_record,
    list_failures,
    print_json,
    print_path,
    say,
    shell_line,
    shown_progress,
)

if TYPE_CHECKING:
    from trainer.alignment import Aligned

COMPONENTS = 128
CORRELATIONS_SHOWN = 5

Models = Annotated[
    list[Path],
    typer.Argument(
        help="Weights file of a network that sees and hears; or one that sees, then one that hears.",
        metavar="MODEL",
    ),
]
Components = Annotated[
    int,
    typer.Option(
        "--components",
        metavar="N",
        min=1,
        help="Numbers in a vector; fewer where the pairs do not vary in as many directions.",
    ),
]
Ridge = Annotated[
    float | None,
    typer.Option(
        "--ridge",
        metavar="R",
        min=0.0,
        help="Added to the variances, as a part of their mean; the fewer videos there are, the more it takes.",
        show_default="what suits split=val best, or 0.3 without it",
    ),
]
Cache = Annotated[Path | None, cache_option("cache, beside --out")]


def align(
    models: Models,
    *,
    manifest: ManifestNeeded,
    components: Components = COMPONENTS,
    ridge: Ridge = None,
    cache: Cache = None,
    device: DeviceOption = "auto",
    out: WeightsOut,
    as_json: JsonOption = False,
) -> None:
    """Bring trained networks' pictures and sounds into one space.

    By canonical correlation analysis (CCA), without training. For networks whose pictures and sounds cannot be
    compared, as of the recipe l3, or of two files. Rows with split=train are learnt from, those with split=val
    choose the ridge; no file of another split is opened, and no label is read. The result is a weights file like
    any other.

    Example: avsearch align run/encoder.safetensors --manifest clips.csv --out aligned.safetensors
    """
    from trainer.alignment import AlignJob
    from trainer.alignment import align as align_networks

    job = AlignJob(
        models=models, manifest=manifest, out=out, components=components, ridge=ridge, cache=cache, device=device
    )
    with shown_progress() as progress:
        aligned = align_networks(job, progress)
    _tell(aligned, asked=components, chosen=ridge is None)
    if as_json:
        print_json(_record(aligned))
    else:
        print_path(aligned.weights)
    if aligned.failures:
        list_failures(aligned.failures)
        raise typer.Exit(3)


def _record(aligned: Aligned) -> dict[str, Any]:
    return {
        "weights": str(aligned.weights),
        "fingerprint": aligned.header.fingerprint,
        "pairs": aligned.num_pairs,
        "ridge": aligned.ridge,
        "correlations": [round(float(it), 6) for it in aligned.correlations],
        "nearer": aligned.nearer,
        "failed": [failure_record(it) for it in aligned.failures],
    }


def _tell(aligned: Aligned, *, asked: int, chosen: bool) -> None:
    correlations = " ".join(f"{it:.3f}" for it in aligned.correlations[:CORRELATIONS_SHOWN])
    found = len(aligned.correlations)
    say(
        f"Aligned on {counted(aligned.num_pairs, 'pair')}, ridge {aligned.ridge:g}: correlations {correlations} ..."
    )
    if found < asked:
        say(f"{counted(found, 'component')} instead of {asked}: the pairs vary in no more directions.")
    if aligned.nearer is None:
        say("No two videos with split=val: nothing was held out to measure it with.")
    else:
        say(
            f"On videos with split=val: a true pair nearer than a false one in {aligned.nearer:.3f} of cases "
            f"(chance: 0.5{'; the ridge was chosen on them' if chosen else ''})."
        )
    say(f"Next: {shell_line(['avsearch', 'index', 'FOLDER', '--model', str(aligned.weights)])}")
