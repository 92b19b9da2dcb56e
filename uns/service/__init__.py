"""Running things, one file each: bridge, namespace, routes, broker."""
