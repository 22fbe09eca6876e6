"""Rate limits: of one client, learned from the API, and shared by many processes (:mod:`.shared`)."""
