"""A month that is over, for the demo: its cases, calls and roster, and how it is judged."""
