"""Where the scale of a tensor comes from while a network runs, and what rounds with it."""
