"""How the embedded backbone is trained: on video that this package renders, with the truth of every body in it."""
