"""Bounds of the contract: lengths, sizes and patterns, each number once (API.md, 3 to 8).

A struct shows its bounds in its JSON schema (:func:`~octoffm_async.contract.base.bounds`), and :mod:`.validation`
checks them. Decoding never rejects a value for its bounds: only some are documented, and the sandbox reports all
problems of an item at once.
"""

PAGE_MAX = 1000  # D
GTIN_LENGTHS = (8, 12, 13, 14)  # D
REFERENCE_MAX = 50  # D for products, A for shipments
TITLE_MAX = 132  # A
SUPPLY_LINES_MAX = 1000  # A
LINES_MAX = 100  # A
QUANTITY_MAX = 2**31 - 1  # A; no warehouse holds more of anything

GTIN_PATTERN = f"^({'|'.join(f'[0-9]{{{length}}}' for length in GTIN_LENGTHS)})$"
COUNTRY_PATTERN = "^[A-Z]{2}$"  # A
CUSTOMS_CODE_PATTERN = "^[0-9]{6,10}$"  # A
UN_CODE_PATTERN = "^[0-9]{4}$"  # A
