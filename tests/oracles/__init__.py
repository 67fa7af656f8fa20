"""What each number format must give, worked out apart from precision.formats.

Nothing here imports the package that it judges. The definitions are enumerated from the publications, the
boundaries between values are exact, and a rounding is written down as a table: see ``staircase``.
"""
