"""gradflow.record on library models: whether the model is left as it was, and whether the numbers are right."""
