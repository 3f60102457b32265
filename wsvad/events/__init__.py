"""Events: from scores of clips to stretches of time per camera and day that somebody should look at."""
