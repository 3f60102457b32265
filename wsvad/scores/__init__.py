"""Scores at rest: their table, what decides their values, and reading a published data set of them."""
