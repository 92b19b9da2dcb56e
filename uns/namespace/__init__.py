"""The tree of last known values: told what happened, it returns what to publish."""

from uns.namespace.alias import Alias
from uns.namespace.leaf import Output
from uns.namespace.rule import ForeignRule
from uns.namespace.state import Presence, State
from uns.namespace.tree import Counts, Fact, Namespace

__all__ = ["Alias", "Counts", "Fact", "ForeignRule", "Namespace", "Output", "Presence", "State"]
