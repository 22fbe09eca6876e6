"""What is too large for memory and lies on the disk while a program needs it."""
