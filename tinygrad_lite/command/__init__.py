"""The command `tinygrad-lite`.

- `cli.py`: the command line, and what it writes
- `tokens.py`, `names.py`, `formula.py`: the formula language, from a text to Values
- `report.py`: what is printed
"""
