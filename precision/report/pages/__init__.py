"""Reports as files in a folder: of a grid, of a search, of a sensitivity."""
