"""Activities of reports, and of the end of days and months."""
