"""One client over several event loops, threads and processes."""
