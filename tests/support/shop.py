"""The backend of the examples as servers find it, with less patience than a person has."""

from examples import web_backend

web_backend.PATIENCE = 1.0
app = web_backend.app
