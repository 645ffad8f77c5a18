"""The Temporal UI behind the sign-in: the proxy, its rules, and the pages beside it."""
