"""The ways to round that formats share: lattice, codebook, block, staircase, a callback."""
