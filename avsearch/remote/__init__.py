"""What lies behind a URL instead of on a disk, and what is kept of it on this machine."""

from avsearch.remote.addresses import address, checked, is_name_of_a_file, is_remote
from avsearch.remote.copies import Copies, default_copies
from avsearch.remote.footage import Version, is_there, list_objects
from avsearch.remote.originals import Originals, default_originals, read_here
from avsearch.remote.store import RemoteStore, check_url, is_url

__all__ = [
    "Copies",
    "Originals",
    "RemoteStore",
    "Version",
    "address",
    "check_url",
    "checked",
    "default_copies",
    "default_originals",
    "is_name_of_a_file",
    "is_remote",
    "is_there",
    "is_url",
    "list_objects",
    "read_here",
]
