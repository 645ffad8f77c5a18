"""The workflow of one complaint."""
