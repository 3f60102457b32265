"""A trained model at rest: a folder of safetensors, JSON and a model card."""
