"""Event detection: turn clip scores into time intervals, per camera and day, that a person should review."""
