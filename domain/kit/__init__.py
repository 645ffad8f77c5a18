"""Kit of every entity: its commands, events and rules."""
