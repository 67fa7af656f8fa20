"""Networks that compute with integers alone: codes in, sums in registers, codes out; nothing of Keras."""
