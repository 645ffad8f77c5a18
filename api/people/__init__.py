"""Routes and answers about people."""
