"""What a policy says: formats and scaling of each slot, of layers by pattern, and of accumulators."""
