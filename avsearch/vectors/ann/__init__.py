"""Approximate search: structures that faiss builds over segments, derived from them and never needed."""
