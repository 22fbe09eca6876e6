"""The resources of the API: thin typed methods, one module for each resource, named as the API names them."""
