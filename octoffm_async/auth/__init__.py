"""Access tokens: the current one, its renewal by one client or one of many processes, and where it is kept."""
