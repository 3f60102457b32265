"""Training of a model on segment features, in this process or on Ray Train, with a checkpoint as the result."""
