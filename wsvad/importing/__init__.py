"""Features made by others, turned into the same published data set as extraction makes."""
