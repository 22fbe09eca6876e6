"""WHAT the API says: structs, open enums, the operations table and the rules. Pure data, no I/O, nothing else of ours.

Each name carries its tag (D documented, S seen, A assumed); see :mod:`octoffm_async.contract.base`.
"""
