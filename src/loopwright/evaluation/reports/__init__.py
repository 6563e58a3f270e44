"""Reports of an evaluation: one HTML page, Markdown for a pull request. They only tell."""
