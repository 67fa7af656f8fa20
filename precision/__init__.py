"""Which number format can a neural network use, and what does it cost?"""
