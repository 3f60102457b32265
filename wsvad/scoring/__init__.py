"""Scoring of every clip and cuboid, published as a scores data set."""
