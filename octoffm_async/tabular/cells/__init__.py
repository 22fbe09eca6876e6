"""Signs, words and numbers that programs put into cells in place of the value: how each is recognized."""
