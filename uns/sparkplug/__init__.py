"""Sparkplug B 3.0 without a socket: codec, edge node and host application."""
