"""A project whose devices are all on this machine, on ports that nobody else has."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from uns.equipment import Connection
from uns.project.project import Project

__all__ = ["is_here", "moved"]


def is_here(project: Project) -> bool:
    """Whether every connection of a project is to 127.0.0.1 already."""
    places = (link.config.endpoint() for link in project.connections.values())
    return all(place is None or place[0] == _HERE for place in places)


def moved(project: Project) -> Project:
    """The same project, read from free ports of 127.0.0.1; the connections' keys stay.

    Connections that went to one host and port still do. So two demos can run at once, and a
    project can be simulated whose PLCs are far away.
    """
    found = {link.config.endpoint() for link in project.connections.values()}
    places = [place for place in found if place is not None]
    ports = dict(zip(sorted(places), _free_ports(len(places)), strict=True))
    return replace(
        project,
        connections={key: _moved(link, ports) for key, link in project.connections.items()},
    )


def _moved(connection: Connection, ports: dict[tuple[str, int], int]) -> Connection:
    place = connection.config.endpoint()
    if place is None:
        return connection
    config = connection.config.moved_to(ports[place])
    return replace(connection, config=_local(config))


def _local(config: Any) -> Any:
    """The same settings with 127.0.0.1 for the host, which drivers call `host` or `url`."""
    host, port = config.endpoint()
    if host == _HERE:
        return config
    if "host" in type(config).model_fields:
        return config.model_copy(update={"host": _HERE})
    url = urlsplit(config.url)._replace(netloc=f"{_HERE}:{port}").geturl()
    return config.model_copy(update={"url": url})


def _free_ports(count: int) -> list[int]:
    """Different free ports: all are held until the last is found."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HERE, 0))
        return [each.getsockname()[1] for each in sockets]


_HERE = "127.0.0.1"
