"""Routes and answers about incidents."""
