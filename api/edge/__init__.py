"""HTTP itself: connections, limits, problems, pages and cookies. Nothing here knows a subject."""
