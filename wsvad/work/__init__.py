"""Units of work on a cluster: each is run until there is an answer for it, and no answer is not a bad one."""
