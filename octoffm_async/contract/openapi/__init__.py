"""OpenAPI documents: the package's own, an API's, and what differs between them."""
