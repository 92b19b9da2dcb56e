"""A small protocol for project tests, and a way to load a project from text."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from uns.errors import AddressError
from uns.project.catalogue import Catalogue
from uns.project.load import Loaded, load

_ADDRESS = re.compile(r"reg:(\d+)(?: (\w+))?\Z")


class ToyConfig(BaseModel):
    """Settings of the toy protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(9000, ge=1, le=65_535)
    unit: int = Field(1, ge=0, le=255)
    password: str = ""

    def key(self) -> str:
        """Everything but the unit, which is part of an address."""
        return f"toy://{self.host}:{self.port}"

    def runtime_key(self) -> str:
        """Nothing: the toy has no runtime."""
        return ""


class ToyDriver:
    """Addresses are `reg:7` or `reg:7 float`; parsing never connects."""

    Config = ToyConfig
    ADDRESS_SETTINGS = frozenset({"unit"})

    async def write(self, items: Any) -> list[str]:
        """That there is one is all that a project knows."""
        return ["" for _ in items]

    @classmethod
    def parse(cls, text: str, config: Any) -> Hashable:
        """The unit, the register and the type."""
        found = _ADDRESS.match(text)
        if found:
            return config.unit, int(found[1]), found[2] or "int"
        column = 5 if text.startswith("reg:") else 1
        raise AddressError(f"`{text}` is no register", column=column, hint="for example `reg:7`")


class NameDriver:
    """Any text is an address: what a regular server looks like."""

    class Config(BaseModel):
        """One setting."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        endpoint: str

        def key(self) -> str:
            """The endpoint itself."""
            return self.endpoint

        def runtime_key(self) -> str:
            """Nothing: names have no runtime."""
            return ""

    @classmethod
    def parse(cls, text: str, config: Any) -> Hashable:
        """The text."""
        del config
        return text


class PaperTarget:
    """A target with one setting of its own."""

    class Config(BaseModel):
        """A folder."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        type: str
        folder: str
        token: str = ""


CATALOGUE = Catalogue({"toy": ToyDriver, "names": NameDriver}, {"paper": PaperTarget})


@pytest.fixture
def catalogue() -> Catalogue:
    """Two drivers and a target that need no network."""
    return CATALOGUE


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Loaded]:
    """Load a project from the text of plant.yaml, or of several files by name."""

    def load_text(text: str = "", /, *, given: Any = None, env: Any = None, **files: str) -> Loaded:
        folder = tmp_path / "plant"
        folder.mkdir(exist_ok=True)
        for name, content in ({"plant": text} | files).items():
            (folder / f"{name}.yaml").write_text(content)
        return load(folder, CATALOGUE, given=given, environment=env or {})

    return load_text
