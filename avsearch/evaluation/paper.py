"""The table of "Objects that Sound" (Arandjelović and Zisserman 2018, table 2), to stand beside ours.

nDCG@30 on one random frame and second of each test clip of AudioSet-Instruments, relevance 20 - d in AudioSet's
ontology, gain 2^r - 1, and AVC accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

from avsearch.audioset import INSTRUMENT_ROOTS, read_ontology
from avsearch.errors import ManifestError
from avsearch.evaluation.relevance import Gain, Relevance
from avsearch.evaluation.results import Evaluation

NUM_CLIPS = 4361
"""Of the public evaluation list with a class of AudioSet-Instruments; the paper says 4.3k."""
FEWEST_CLIPS = 4000  # some videos are gone for good


@dataclass(frozen=True)
class PaperRow:
    """A system; `ndcg` in the order of `DIRECTIONS`, None where it has no such side."""

    name: str
    ndcg: tuple[float | None, ...]
    avc: float | None


CHANCE_AVC = 0.5

PAPER_TABLE = (
    PaperRow("chance", (0.407, 0.407, 0.407, 0.407), CHANCE_AVC),
    PaperRow("L3-Net", (0.567, 0.418, 0.385, 0.653), 0.808),
    PaperRow("L3-Net + CCA", (0.578, 0.531, 0.560, 0.649), None),
    PaperRow("VGG16-ImageNet", (0.600, None, None, None), None),
    PaperRow("VGG16 + L3-audio CCA", (0.493, 0.458, 0.464, 0.618), None),
    PaperRow("AVE-Net", (0.604, 0.561, 0.587, 0.665), 0.819),
    PaperRow("AVE+OF", (0.608, 0.558, 0.588, 0.665), 0.849),
)


def as_in_the_paper(evaluation: Evaluation) -> bool:
    """Whether protocol and data are the paper's, so that its table may stand in one with this run.

    The data are when nearly all clips of AudioSet-Instruments' evaluation list are there, and nothing else.
    """
    settings = evaluation.settings
    graded = settings.relevance is Relevance.ONTOLOGY and settings.gain is Gain.EXPONENTIAL
    if evaluation.protocol.name != "paper" or settings.k != 30 or not graded or settings.ontology is None:
        return False
    ontology = read_ontology(settings.ontology)
    try:
        instruments = ontology.below(INSTRUMENT_ROOTS)
    except ManifestError:
        return False
    id_of = ontology.resolve(frozenset[str]().union(*evaluation.items.labels))
    played = all(any(id_of.get(label) in instruments for label in labels) for labels in evaluation.items.labels)
    return played and FEWEST_CLIPS <= evaluation.num_items <= NUM_CLIPS
