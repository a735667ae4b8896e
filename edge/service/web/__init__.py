"""The daemon's web pages."""
