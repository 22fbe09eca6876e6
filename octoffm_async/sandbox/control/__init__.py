"""Control of a running sandbox: the verbs, their HTTP routes and the methods of all its classes."""
