"""What lies behind a URL instead of on a disk, and what is kept of it on this machine."""

from avsearch.remote.copies import Copies, default_copies
from avsearch.remote.store import RemoteStore, check_url, is_url

__all__ = ["Copies", "RemoteStore", "check_url", "default_copies", "is_url"]
