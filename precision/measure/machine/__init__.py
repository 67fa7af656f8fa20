"""What this machine tells: processor, memory, processes."""
