"""Ctrl-C and SIGTERM: the handlers by themselves, and whole commands at any moment."""
