"""From a report as data to a text: Markdown, CSV and other files, the terminal. Only these escape."""
