"""Benchmarks of the service on this machine, beside the same load on Temporal and PostgreSQL alone."""
