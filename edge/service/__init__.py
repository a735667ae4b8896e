"""Parts of the daemon: its cameras, its outputs, and its talk with the service manager."""
