"""State that processes and machines share: the database, and encryption of what is stored there."""
