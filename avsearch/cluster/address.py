"""Addresses of clusters: what is one, and whether anybody answers there, before Ray waits for it in its own way."""

from __future__ import annotations

import socket
from collections.abc import Callable

from avsearch.errors import ClusterError, UsageError

ANSWER_S = 5.0
AUTO = "auto"
_CLIENT = "ray://"
_CLIENT_PORT = 10001
_ADDRESS_HINT = "Give `auto`, HOST:6379 or ray://HOST:10001; `ray start --head` prints it."


def check_address(address: str) -> str:
    """The address of a cluster, if it can be one.

    Raises:
        UsageError: it cannot.
    """
    if address != AUTO and _host_and_port(address) is None:
        raise UsageError(f"{address or 'An empty text'} is no address of a Ray cluster.", hint=_ADDRESS_HINT)
    return address


def require_answer(address: str) -> None:
    """Make sure that somebody listens at an address, within a few seconds; what `auto` finds is Ray's affair.

    Raises:
        ClusterError: nobody does.
    """
    place = _host_and_port(address)
    if place is not None and (why := fault_at(*place)):
        raise ClusterError(f"{address}: no Ray cluster answers there ({why}).", hint=_ADDRESS_HINT)


def is_of_client(address: str) -> bool:
    """Whether it is reached through Ray's client server, from a machine that is no part of the cluster."""
    return address.startswith(_CLIENT)


def answers_at(address: str) -> Callable[[], bool]:
    """What says whether anybody still listens at HOST:PORT."""
    place = _host_and_port(address)
    return lambda: place is None or not fault_at(*place)


def fault_at(host: str, port: int) -> str:
    """Why nobody can be reached there, in a few words; empty if somebody can."""
    try:
        socket.create_connection((host, port), timeout=ANSWER_S).close()
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ""


def _host_and_port(address: str) -> tuple[str, int] | None:
    """What to connect to; None where it is no address of that kind."""
    bare = address.removeprefix(_CLIENT)
    host, colon, port = bare.rpartition(":")
    if is_of_client(address) and not colon:
        host, port = bare, str(_CLIENT_PORT)
    host = host.strip("[]")
    is_host = bool(host) and not any(it.isspace() or it == "/" for it in host)
    return (host, int(port)) if is_host and port.isascii() and port.isdigit() and int(port) < 65536 else None
