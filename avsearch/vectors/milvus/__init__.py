"""Milvus beside the segments: a copy of their vectors that names candidates, derived from them and never needed."""
