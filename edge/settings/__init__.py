"""The daemon's configuration and its credentials."""
