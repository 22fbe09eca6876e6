"""Tables in files: CSV in any encoding, JSON Lines, spreadsheets."""
