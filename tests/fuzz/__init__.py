"""Valid documents of ours, changed at random: an error of ours or success, never a traceback."""
