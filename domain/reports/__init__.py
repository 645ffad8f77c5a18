"""Reports that managers read (日报、月报): their periods, and their tables as plain values."""
