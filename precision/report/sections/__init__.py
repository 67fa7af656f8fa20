"""The parts of a report, one a file: from tables of results to notes, tables and figures."""
