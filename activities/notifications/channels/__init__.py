"""Channels that notifications go out by, one module each."""
