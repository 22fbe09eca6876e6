"""HOW one call travels: admit, authorize, transmit, classify, then decode, retry or raise.

Decisions are pure functions that take the time and the random source as arguments (:mod:`.retry`, :mod:`.headers`, the
arithmetic of :mod:`.limits`); awaiting happens around them, in :mod:`.pipeline`.
"""
