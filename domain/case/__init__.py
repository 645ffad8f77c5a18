"""The complaint: its state, events, lifecycle and clocks."""
