"""Reports that managers read: each table is one function that asks SQL, and one line in `reports.TABLE_QUERIES`."""
