"""The journal: what was sent and what became of it, in a store that outlives the process: nothing is sent twice."""
