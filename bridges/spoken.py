"""Why the network refused, as people say it: libraries tell sockets, numbers and themselves."""

from __future__ import annotations

import os

__all__ = ["spoken"]


def spoken(error: OSError) -> str:
    """The system's own words for a network error.

    >>> spoken(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 102)"))
    'connection refused'
    """
    number = error.errno or 0
    said = os.strerror(number) if number > 0 else error.strerror or str(error)  # resolvers: below 0
    return said[:1].lower() + said[1:]
