"""Polku on one machine without Docker, and the polku command."""
