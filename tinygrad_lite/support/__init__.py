"""What the engine leans on: checks, templates, arrays, pickles. Not needed to read value.py."""
