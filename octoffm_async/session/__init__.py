"""The layer of calls: each call is admitted, sent, classified, then decoded, repeated or failed.

Decisions are pure functions that take the time and the random source as arguments (:mod:`.retry`, :mod:`.headers`, the
arithmetic of :mod:`.limits`); the awaiting is around them, in :mod:`.pipeline`, which describes the path of a call.
"""
