"""Routes and answers about reports."""
