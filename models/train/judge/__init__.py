"""Says how well the shipped nets do."""
