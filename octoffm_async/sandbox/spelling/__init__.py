"""Answers in other spellings than the contract's, and in the names of a contract file."""
