"""Indexing: discover -> probe -> plan -> decode -> features -> encoder in batches -> segment file -> one commit."""
