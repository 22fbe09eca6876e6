"""The version of this package; the built package, the tag and the user agent take it from here."""

__version__ = "0.1.0"
