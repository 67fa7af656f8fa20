"""From sums to codes: the rules, each as an array operation and as a compiled loop."""
