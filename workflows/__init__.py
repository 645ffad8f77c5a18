"""Temporal workflows. They do no I/O: their activities do it."""
