"""What learned features must beat: statistics of optical flow and motion energy, as features data sets."""
