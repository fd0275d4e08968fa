"""The library of the workers: protocol, data, model, training, inference."""
