"""The probe, a first contact with the real API: it only reads, sends one call at a time, and stores only shapes.

From the inside out: :mod:`.shapes` reduces a body to its shape, :mod:`.calls` is the table of calls, :mod:`.sending`
sends one call, :mod:`.running` makes the calls of the table, :mod:`.evaluation.expectations` and
:mod:`.evaluation.drift` compare the answers with the contract, :mod:`.evaluation.corrections` writes a contract file,
:mod:`.evaluation.proofs` decides what an account has proven, :mod:`.report` writes a report that can be shown to
others, and :mod:`.folder` writes all files.
"""
