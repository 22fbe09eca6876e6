"""The sandbox's HTTP server: requests, checks, limits, answers and injected faults."""
