"""Evaluation on benchmark folders: data sets, runs in parallel, scores."""
