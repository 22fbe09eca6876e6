"""Rows that a command gives: a table, JSON lines, or a file for a spreadsheet, a program or a data frame."""
