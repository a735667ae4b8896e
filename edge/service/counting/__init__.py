"""Counting: who is in a zone, and who crosses a line."""
