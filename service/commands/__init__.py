"""One module a command: options, output and exit codes. What does the work stands elsewhere."""
