"""Look-up of orders whose response was lost, and the proof that an order does not exist.

Read :mod:`.absence` first.
"""
