"""What a number format looks like: its properties, its number line, a comparison of several."""
