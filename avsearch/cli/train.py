"""`avsearch train`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avsearch.cli.interrupt import exit_code_after, known_as_interrupt
from avsearch.cli.options import (
    RECIPES,
    BatchSizeOption,
    DeviceOption,
    JsonOption,
    ManifestOption,
    SeedOption,
    SizeOption,
    VideosArgument,
    cache_option,
)
from avsearch.cli.output import (
    failure_record,
    list_failures,
    print_json,
    print_path,
    print_table,
    say,
    shell_line,
    shown_progress,
)
from avsearch.errors import UsageError
from avsearch.moments import SECOND_US, Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avsearch.moments import Failed
    from trainer.audit import Audit
    from trainer.config import TrainConfig, TrainJob
    from trainer.loop import Trained

DEFAULT_MINUTES = 10.0


Out = Annotated[
    Path, typer.Option("--out", metavar="RUN", help="Folder for the weights, the log, the curve and checkpoints.")
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help=RECIPES,
        show_default="ave-nce; ave with --audit",
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Train this many steps.")]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        metavar="M",
        min=0.01,
        help="Train about this long, decoding not counted; the first steps say how many fit.",
        show_default=f"{DEFAULT_MINUTES:g}, unless --steps is given",
    ),
]
PairsPerClip = Annotated[
    int | None,
    typer.Option(
        "--pairs-per-clip",
        metavar="N",
        min=1,
        help="Pairs of a frame and a sound that each clip brings to an epoch.",
        show_default="the recipe's",
    ),
]
Misalign = Annotated[
    float | None,
    typer.Option(
        "--misalign",
        metavar="S",
        min=0.0,
        help="How far from its frame a sound may lie, in seconds.",
        show_default="the recipe's",
    ),
]
AuditOption = Annotated[
    bool,
    typer.Option(
        "--audit",
        help="Train twice, with negatives cut like positives and cut anywhere, and compare the two.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with the run in --out, to its own number of steps unless --steps gives another."
    ),
]
Cache = Annotated[Path | None, cache_option("RUN/cache")]


def train(
    paths: VideosArgument,
    *,
    manifest: ManifestOption = None,
    recipe: Recipe = None,
    size: SizeOption = "small",
    steps: Steps = None,
    minutes: Minutes = None,
    pairs_per_clip: PairsPerClip = None,
    misalign: Misalign = None,
    resume: Resume = False,
    audit: AuditOption = False,
    batch_size: BatchSizeOption = None,
    cache: Cache = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    out: Out,
    as_json: JsonOption = False,
) -> None:
    """Learn from videos which pictures go with which sounds.

    No labels are needed or read. With a manifest, rows with split=train are learnt from, those with split=val
    validate, and no file of another split is opened; without one, a tenth of the videos validates.

    Processes that torchrun starts train one network together. With --audit two are trained, one without the remedy
    for a shortcut that the task has, and what each has learnt is told.

    Example: avsearch train ~/footage --out run
    """
    _refuse_contradictions(steps, minutes)
    from trainer.config import TrainJob

    config = _config(recipe or ("ave" if audit else "ave-nce"), size, batch_size, pairs_per_clip, misalign)
    minutes = minutes if steps or minutes else DEFAULT_MINUTES
    job = TrainJob(
        config=config, paths=paths, out=out, manifest=manifest, cache=cache, steps=steps, minutes=minutes,
        resume=resume, seed=seed, device=device,
    )  # fmt: skip
    with _way_on(job):
        (_audit if audit else _run)(job, as_json=as_json)


@contextmanager
def _way_on(job: TrainJob) -> Iterator[None]:
    """Ctrl-C: what to type to go on, since a run that has begun is not gone on with unasked."""
    try:
        with known_as_interrupt():
            yield
    except KeyboardInterrupt as interrupt:
        if _is_first():
            say("Stopped. The same command" + (" " if job.resume else " with --resume ") + "goes on from here.")
        raise typer.Exit(exit_code_after(interrupt)) from interrupt


def _config(
    name: str, size: str, batch_size: int | None, pairs_per_clip: int | None, misalign_s: float | None
) -> TrainConfig:
    """The recipe with what was asked for in place of its own."""
    from trainer.recipes import recipe

    misalignment_us = None if misalign_s is None else round(misalign_s * SECOND_US)
    return recipe(name, size, batch_size=batch_size, pairs_per_clip=pairs_per_clip, misalignment_us=misalignment_us)


def _refuse_contradictions(steps: int | None, minutes: float | None) -> None:
    if steps is not None and minutes is not None:
        raise UsageError("Give either --steps or --minutes, not both.")


def _is_first() -> bool:
    """Whether this is the one of torchrun's processes that tells."""
    return not int(os.environ.get("RANK", "0"))


def _run(job: TrainJob, *, as_json: bool) -> None:
    from trainer.loop import train as train_network
    from trainer.tars import is_tar

    if not _is_first():
        train_network(job, Silent())
        return
    with shown_progress() as progress:
        trained = train_network(job, progress)
    say(
        f"Trained {trained.steps} steps. On held-out videos: AVC accuracy {trained.validation.avc_accuracy:.3f}, a "
        f"true pair nearer than a false one in {trained.validation.nearer:.3f} of cases (chance: 0.5 both)."
    )
    footage = [str(it) for it in job.paths if not is_tar(it)] or ["FOLDER"]  # tar files are not searched
    say(f"Next: {shell_line(['avsearch', 'index', *footage, '--model', str(trained.weights)])}")
    if as_json:
        print_json(_record(trained))
    else:
        print_path(trained.weights)
    _tell_failures(trained.failures)


def _audit(job: TrainJob, *, as_json: bool) -> None:
    from trainer.audit import audit as train_both

    if not _is_first():
        train_both(job, Silent())
        return
    with shown_progress() as progress:
        found = train_both(job, progress)
    if as_json:
        print_json(found.record() | {"failed": [failure_record(it) for it in found.failures]})
    else:
        _print_audit(found)
    say("A network that has learnt the cut is better where negatives are cut anywhere than where they are not.")
    found.write(job.out / "audit.json")
    _tell_failures(found.failures)


def _record(trained: Trained) -> dict[str, Any]:
    """What a run has made as a JSON object; the figures are of held-out videos."""
    return {
        "weights": str(trained.weights),
        "fingerprint": trained.header.fingerprint,
        "steps": trained.steps,
        **{name: round(value, 6) for name, value in asdict(trained.validation).items()},
        "failed": [failure_record(it) for it in trained.failures],
    }


def _print_audit(found: Audit) -> None:
    figures = ["AVC, on the grid", "AVC, cut anywhere", "nDCG@30 by pair"]
    print_table(
        ["trained on negatives", *figures],
        [
            [name, f"{one.avc_on_grid:.3f}", f"{one.avc_off_grid:.3f}", f"{one.ndcg:.3f}"]
            for name, one in (("on the grid", found.on_grid), ("cut anywhere", found.off_grid))
        ],
        right=figures,
    )


def _tell_failures(failures: Sequence[Failed]) -> None:
    if failures:
        list_failures(failures)
        raise typer.Exit(3)
