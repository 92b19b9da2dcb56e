"""Routes: what happens on the tree becomes messages that enterprise systems read."""
