"""Score data sets: the table of scores, its configuration, and a reader of published data sets."""
