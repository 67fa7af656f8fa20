"""Files of packed codes: what a quantised network takes on a disk."""
