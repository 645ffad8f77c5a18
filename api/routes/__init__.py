"""The addresses of the interface, by subject."""
