"""The three kernels again, in numbered steps from the naive loop to the shape of the shipped one.

This package is for reading, and for the chapters ``kernels/*`` of the book. Each ladder computes one thing, and each
of its steps has the same signature, changes one idea, and is tested to equal ``entropylab.kernels.reference``:

- ``entropy`` and ``entropy_cuda``: the entropy of each row of logits;
- ``typical`` and ``typical_cuda``: the cut of the locally typical set of each row;
- ``concentration`` and ``concentration_cuda``: sums and stopping times of a ragged batch of sequences.

The modules without ``_cuda`` run on the CPU, as Numba loops or NumPy. Those with it need numba-cuda; ``fresh`` runs
them in a process of its own, on a GPU if there is one, in Numba's simulator otherwise, and ``fresh.trace`` counts
what each step reads. The steps take clean input only: no NaN, no +inf, no row of -inf alone. They are written to be
short: use the shipped kernels for work.
"""

from __future__ import annotations
