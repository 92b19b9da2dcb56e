"""The catalogue that the command line hands to a project: our drivers and targets, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from uns.project.catalogue import Catalogue

__all__ = ["catalogue"]


def catalogue() -> Catalogue:
    """Every driver and target there is; each is imported when a project names it."""
    from bridges import driver_names, get_driver
    from uns.service.message_schemas import message_schemas
    from uns.target import TARGETS, get_target

    return Catalogue(
        _OnDemand(driver_names(), get_driver), _OnDemand(TARGETS, get_target), message_schemas
    )


class _OnDemand(Mapping[str, Any]):
    """Classes by name, imported when they are first asked for."""

    def __init__(self, names: Iterable[str], get: Callable[[str], Any]) -> None:
        self._names = tuple(names)
        self._get = get

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
