"""Retries: the table of decisions (:mod:`.policy`), their effects, and the circuit breaker."""
