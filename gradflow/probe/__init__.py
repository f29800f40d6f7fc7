"""One model, one batch or none: what its gradients do, the model left exactly as it was found."""
