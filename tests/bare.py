"""Weights files without a network, for libraries that nothing is encoded for."""

import numpy as np

from avsearch.front_end import FrontEnd
from avsearch.models.header import WeightsHeader
from avsearch.models.weights import save_weights
from avsearch.moments import Modality


def bare_weights(path, *, dim, seed=0, architecture="ave"):
    """A file whose vectors would have so many numbers; another seed is another encoder."""
    front_end = FrontEnd(image_side=32, short_side=40, window=480, hop=240, n_fft=512, num_bands=0)
    header = WeightsHeader(
        architecture=architecture,
        widths=(1, 1, 1, 1),
        size="small",
        dim=dim,
        modalities=tuple(Modality),
        num_frames=1,
        front_end=front_end,
        recipe={"name": "ave"},
    )
    save_weights(path, {"weight": np.full((dim, 2), seed, np.float32)}, header)
    return path
