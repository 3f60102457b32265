"""Tests of ``wsvad.video``."""
