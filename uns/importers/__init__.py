"""Importers: what other products know about a plant's tags, drafted as a project of ours."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TypeAlias

from uns.importers.found import Found
from uns.importers.reading import Plant

__all__ = ["IMPORTERS", "Importer", "get_importer"]

Importer: TypeAlias = Callable[[str, bytes, Plant], Found]  # a file's name, and what is in it

#: What `uns import` understands: a module with `read`, and a line of help.
IMPORTERS = {
    "csv": ("uns.importers.tag_list", "a tag list of your own: CSV or Excel with a heading"),
    "kepware": ("uns.importers.kepware", "KEPServerEX, tags exported as CSV, a file per device"),
    "ignition": ("uns.importers.ignition", "Ignition, tags and UDTs exported as JSON"),
    "neuron": ("uns.importers.neuron", "EMQX Neuron, tags exported as Excel, a file per device"),
    "telegraf": ("uns.importers.telegraf", "Telegraf's inputs modbus, opcua and s7comm"),
    "tia": ("uns.importers.tia", "TIA Portal, PLC tags exported as Excel"),
}


def get_importer(name: str) -> Importer:
    """The importer called `name`, one of IMPORTERS."""
    read: Importer = importlib.import_module(IMPORTERS[name][0]).read
    return read
