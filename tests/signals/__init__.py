"""Ctrl-C and SIGTERM: tests of the handlers, and of whole commands at any moment."""
