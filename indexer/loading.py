"""An encoder that is loaded when it is first needed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avsearch.encoder import Encoder


@dataclass
class Loading:
    """Loads the encoder when it is first called, and remembers how long that took and how much CPU time."""

    weights: Path
    device: str
    seconds: float = 0.0
    cpu_s: float = 0.0
    encoder: Encoder | None = None

    def __call__(self) -> Encoder:
        if self.encoder is not None:
            return self.encoder
        began, began_cpu = time.monotonic(), time.thread_time()
        from avsearch.encoder import load_encoder  # noqa: PLC0415  (torch: a second, and not always needed)

        self.encoder = load_encoder(self.weights, self.device)
        self.seconds, self.cpu_s = time.monotonic() - began, time.thread_time() - began_cpu
        return self.encoder
