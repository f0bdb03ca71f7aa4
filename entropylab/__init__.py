"""entropylab: entropy of language models, measured, computed fast, and put to use.

``entropylab.information`` measures distributions given by logits, ``entropylab.decoding`` chooses the next
token, ``entropylab.models`` loads, scores and generates. Importing the package imports none of the heavy
libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entropylab.information.backends import backend, use_backend

__version__ = "0.1.0"
__all__ = ["__version__", "backend", "use_backend"]


def __getattr__(name: str) -> Any:
    if name in ("backend", "use_backend"):
        from entropylab.information import backends

        return getattr(backends, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
