"""Exports: what a project says, in the forms that other tools read."""
