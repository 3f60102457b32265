"""From clips to bags: segments, their way back to frames, and balanced batches."""
