"""Where frames come from: files and image folders."""
