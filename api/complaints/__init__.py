"""Routes and answers about complaints."""
