"""Benchmarks: what the service reaches on this machine, beside what the bare tools reach on it."""
