"""What indexing on a Ray cluster costs over one process: `on_ray.py DATA [--clips 300]`; needs the extra `[ray]`.

Two nodes of one CPU each, on this machine, against plain `avsearch index`: size small, random weights, connecting
and starting the encoders included. They take turns, each into a library that is new.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avsearch.bench.figure import figure
from avsearch.bench.weights import save_random_weights
from avsearch.media import media_files
from benchmarks.result import add_out, print_figures, seconds_of, write_result

NODES = 2  # of one CPU each
STORE_BYTES = 200 << 20


def main() -> None:
    """Start the nodes, index in turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--clips", type=int, default=300, metavar="N", help="index so many at most")
    parser.add_argument("--runs", type=int, default=3)
    add_out(parser)
    given = parser.parse_args()
    clips = [path for path in media_files([given.data]) if path.suffix == ".mp4"][: given.clips]
    rates: dict[str, list[float]] = {"local": [], "Ray": []}
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, two_nodes(Path(folder)) as address:
        ways = {"local": [], "Ray": ["--ray", address]}
        save_random_weights(Path(folder, "random.safetensors"), "small")
        for at in range(given.runs):
            for name, options in ways.items():
                seconds = seconds_of(lambda n=f"{name}-{at}", o=options: index(clips, Path(folder), n, o))
                rates[name].append(len(clips) / seconds)
    ratios = [there / here for there, here in zip(rates["Ray"], rates["local"], strict=True)]
    told = f"indexing {len(clips)} clips"
    figures = [
        *(figure(f"{told}, {name}, files a second", name, of) for name, of in rates.items()),
        figure(f"{told}, Ray over local", "ratio", ratios),
    ]
    print_figures(figures)
    write_result(given.out, "ray", figures, {"clips": len(clips), "runs": rates})


@contextmanager
def two_nodes(folder: Path) -> Iterator[str]:
    """A cluster on the loopback alone, whose files lie in a folder with a short name; its address."""
    os.environ |= {"RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray takes 127.0.0.1 for itself only then
    from ray.cluster_utils import Cluster  # noqa: PLC0415  (reads the environment)

    cluster = Cluster(initialize_head=False)
    try:
        for at in range(NODES):
            dashboard = {} if at else {"include_dashboard": False}
            cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, node_ip_address="127.0.0.1", **dashboard)
        yield cluster.address
    finally:
        cluster.shutdown()


def index(clips: list[Path], place: Path, name: str, options: list[str]) -> None:
    """One run of the command, imports and all."""
    given = ["--library", str(place / name), "--model", str(place / "random.safetensors"), *options]
    command = [sys.executable, "-m", "avsearch", "index", *map(str, clips), *given]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
