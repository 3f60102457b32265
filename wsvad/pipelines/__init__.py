"""What joins verbs: from videos straight to scores, for one video in memory and for an archive."""
