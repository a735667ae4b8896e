"""Benchmarks of INT8 networks."""
