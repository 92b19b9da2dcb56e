"""Evolution: whether a schema may change without breaking those who read what it describes."""

from uns.schema.evolution.comparison import Finding, Verdict, Witness, check, compare
from uns.schema.evolution.mode import Fields, Mode

__all__ = ["Fields", "Finding", "Mode", "Verdict", "Witness", "check", "compare"]
