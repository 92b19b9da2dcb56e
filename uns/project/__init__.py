"""What engineers write: YAML projects, read strictly and expanded to machines and tags."""
