"""Sweeps: configurations of a model tried out on validation videos, scheduled by Ray Tune, remembered in our store."""
