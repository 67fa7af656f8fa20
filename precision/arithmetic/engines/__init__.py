"""Engines: the sums of a layer of integers through a table of products, to the last bit, in several ways."""
