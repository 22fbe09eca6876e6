"""Many machines, one truth: a journal, limits and tokens that all share, and jobs for a fleet of workers."""
