"""Temporal workflows. They do no I/O: their activities do it. `clients` is for programs that talk to Temporal."""
