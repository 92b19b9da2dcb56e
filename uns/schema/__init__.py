"""Schemas of values and messages, and the verdict on each."""
