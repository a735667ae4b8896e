"""The daemon: its streams, its outputs, its pages, and its messages to the service manager."""
