"""Scores of every clip and cuboid, published like features."""
