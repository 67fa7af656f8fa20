"""What this machine can be asked while a trial runs: a source for each quantity, a file for each teller."""
