"""Where frames come from: files, pipes, cameras, streams and the built-in scene."""
