"""Run units of work on a Ray cluster or in this process, with retries, quarantine and progress."""
