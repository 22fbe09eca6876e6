"""Requests and answers in the forms of other people's code: dictionaries, JSON, and pydantic's schemas."""
