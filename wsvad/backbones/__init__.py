"""Networks that turn clips of frames into features; no file formats but weights, no Ray, no video."""
