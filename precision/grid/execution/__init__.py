"""From trials to stored results: which one goes next, and the processes that run them."""
