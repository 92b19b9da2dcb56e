"""Durable state in SQLite: the only modules that speak SQL."""
