"""The Temporal UI behind the sign-in: the door, its rules, and the pages beside it."""
