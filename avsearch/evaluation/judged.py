"""One weights file by the paper's protocol, and all that its network says of the same frames and seconds."""

from __future__ import annotations

from pathlib import Path

from avsearch.encoder import load_encoder
from avsearch.evaluation.correspondence import CorrespondenceJudge
from avsearch.evaluation.drawn import load_items_from_model
from avsearch.evaluation.items import EvaluationSettings
from avsearch.evaluation.localization_judge import LocalizationJudge
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Run
from avsearch.localize import Localizer, localizer_of
from avsearch.moments import Progress


def load_judged(
    weights: Path, name: str, settings: EvaluationSettings, *, device: str, progress: Progress
) -> tuple[Run, Localizer | None]:
    """Draw, decode and encode once; search with the vectors, and ask the network about pairs and places.

    Args:
        weights: the file.
        name: what the report calls it.
        settings: what to evaluate.
        device: as `--device`.
        progress: where to tell how far it is.

    Returns:
        What came out, and the localizer that the network is too, if it has a map.

    Raises:
        WeightsError: the file cannot be used.
        ManifestError: the manifest cannot be used, or no row of the split gives a vector.
    """
    encoder = load_encoder(weights, device)
    localizer = localizer_of(encoder)
    pairs = CorrespondenceJudge(encoder, settings.seed) if encoder.judges else None
    places = None if localizer is None else LocalizationJudge(localizer, settings)
    judges = [judge for judge in (pairs, places) if judge is not None]
    items = load_items_from_model(encoder, settings, judges=judges, progress=progress)
    run = Run(
        source=name,
        evaluation=evaluate(items, progress=progress),
        correspondence=None if pairs is None else pairs.result(),
        localization=None if places is None else places.result(),
    )
    return run, localizer
