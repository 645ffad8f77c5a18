"""The `hotline` command: one module for each command group."""
