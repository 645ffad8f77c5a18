"""Files that people take away: lists and reports as CSV, Excel and HTML."""
