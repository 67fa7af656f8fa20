"""One trained model, one data set: which formats it can use, for each kind of hardware.

``ladder`` has the formats, ``request`` and ``grid_file`` make a grid of what the user gave, ``looks`` decides
with as few images as it takes, ``readings`` says what to try when a model does not fit its data, ``layers``
finds what harms most, and ``run`` does one after the other.
"""
