"""What leaves the emulation: packed files of codes, models from files."""
