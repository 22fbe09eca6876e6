"""Answers decoded: lists, objects, counts, ids and documents, in the spelling that the API was seen to use."""
