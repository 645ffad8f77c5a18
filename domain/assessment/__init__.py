"""Monthly assessment (考核): figures from the events of cases, scores, and the month with its objections."""
