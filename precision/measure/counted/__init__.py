"""What follows from a network without running it: operations, bytes, modelled energy."""
