"""Plans: what a changed project would do to the tree, before it does it; no I/O."""
