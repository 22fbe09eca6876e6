"""The layer of calls: each call is admitted, sent, classified, then decoded, repeated or failed.

Decisions are pure functions that take the time and the random source as arguments (:mod:`.retry.policy`,
:mod:`..transport.headers`, the arithmetic of :mod:`..ratelimit.limiter`); the awaiting is around them, in
:mod:`.session`, which describes the path of a call.
"""
