"""The main jobs from Python, each the same as a command; ``import precision`` offers them.

What two of these functions take has one name, one meaning and one place in the order; what one of them alone
takes comes last.
"""
