"""The workflow of one incident."""
