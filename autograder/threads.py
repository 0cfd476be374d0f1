"""How many threads the linear algebra libraries may start in processes that this project runs.

Their threads wait for each other by spinning. Where several such processes share the cores, or the machine is
busy, small matrix products become tens of times slower with two threads than with one.
"""

from __future__ import annotations

# NumPy's own library alone: torch keeps its threads, which pay for themselves in long trainings.
ONE_NUMPY_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
ONE_THREAD = ONE_NUMPY_THREAD | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
