"""The `uns` command."""
