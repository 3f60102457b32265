"""Every operation of the store fails once in every way, in every verb that writes: see ``test_every_operation``."""
