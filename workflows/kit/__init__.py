"""Shared part of the workflows of entities: host, updates, timer, and words of the Temporal UI."""
