"""What a trial costs: memory, time and size, each measured or counted, never guessed."""
