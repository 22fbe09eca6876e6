"""Settings of the command: those of the library, from options, variables and files; and their listing."""
