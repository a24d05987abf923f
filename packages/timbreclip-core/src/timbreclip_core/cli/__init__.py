"""The command line, one file per noun. Nothing here imports torch before a command runs."""
