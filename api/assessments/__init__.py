"""Routes and answers about assessments."""
