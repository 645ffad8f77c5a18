"""Routes and answers about calls."""
