"""What the race of convolutions found, as a page with its figures."""
