"""Derivatives as graphs, as power series, and checked by differences.

- `grad.py`: `grad`, `jacobian`, `hessian` and `hvp` of Values; `graphs.py` has their walks
- `functions.py`: `value_and_grad`, and `grad`, of a function
- `taylor.py`: `taylor` and `jvp`; `series.py` has the power series that they run on
- `check.py`: `check_grad`
"""
