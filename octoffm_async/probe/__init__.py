"""First contact with the real API: reading only, one call at a time, and nothing kept but shapes.

From the inside out: :mod:`.shapes` reduces a body to its shape, :mod:`.calls` is the table of what is asked,
:mod:`.sending` sends one call, :mod:`.running` goes through the table, :mod:`.expectations` and :mod:`.drift` compare
what came with the contract, :mod:`.mending` writes a contract file, :mod:`.proofs` decides what an account has proven,
:mod:`.report` writes what can be shown to others, and :mod:`.folder` keeps it all.
"""
