"""A Ray cluster: the one place that imports and calls ray, and it does so late."""

from avsearch.cluster.address import check_address
from avsearch.cluster.connecting import connected

__all__ = ["check_address", "connected"]
