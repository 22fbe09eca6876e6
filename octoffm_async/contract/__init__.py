"""The contract of the API: structs, open enums, the operations table and the validation rules.

The modules are pure data and pure functions: they do no I/O and import no other package of the library. Each name
carries its source (documented, seen or assumed); see :mod:`.base`.
"""
