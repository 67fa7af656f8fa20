"""The race of convolutions: what each algorithm takes on this machine, and what it costs in precision.

``limits`` measures the machine, ``steps`` whole training steps, ``layers`` single convolutions, ``sums`` the
errors of narrow types. Nothing here is of one grid; ``precision bench convolution`` runs it all.
"""
