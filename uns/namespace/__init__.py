"""The tree of last known values: told what happened, it returns what to publish."""

from uns.namespace.leaf import Output
from uns.namespace.tree import Counts, Namespace

__all__ = ["Counts", "Namespace", "Output"]
