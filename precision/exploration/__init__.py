"""Exploring a network beyond the cells of a grid: which layer needs which format.

``sensitivity`` rounds one layer at a time, ``search`` looks for a format for each layer.
"""
