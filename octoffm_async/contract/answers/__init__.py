"""Answers read: names in any spelling, values in any form, and types made for the spelling that was seen."""
