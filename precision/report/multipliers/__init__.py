"""What a multiplier looks like: its figures, a comparison of several, a map of its errors."""
