"""Import of features computed by other programs into a published features data set."""
