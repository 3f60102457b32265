"""Cameras: assign each video to a camera and a recording time."""
