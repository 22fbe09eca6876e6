"""Evaluation of the answers of a first contact: shapes, drift, corrections and proofs."""
