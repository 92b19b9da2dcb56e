"""The Unified Namespace layer: PLC tags become ISA-95 topics and enterprise messages."""

__version__ = "0.1.0"
