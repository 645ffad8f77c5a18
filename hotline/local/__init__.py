"""The whole service on one machine: embedded Temporal and a supervisor."""
