"""Cameras: which video is whose, and when it was recorded."""
