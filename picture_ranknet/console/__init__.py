"""What the commands share at the command line: options, messages, progress bars, exit statuses."""
