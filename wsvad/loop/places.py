"""Where a run keeps what is not its result, below its root."""

STATES = "state/"
"""States that a killed run goes on from."""
EVENTS = "tensorboard/"
"""The curve as TensorBoard events."""
