"""How long trials will take: counted work, at the speed that this machine has shown."""
