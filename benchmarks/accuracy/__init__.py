"""Benchmarks of tracking accuracy."""
