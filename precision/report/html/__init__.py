"""The report as one page of HTML that needs nothing else: it can be mailed, read offline and printed."""
