"""WHAT a user calls: thin typed methods, one file a resource, named as the API names them."""
