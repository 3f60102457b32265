"""The training loop's surroundings, whatever is trained: the group of workers, states, the curve, Ray Train."""
