"""Build hook: the wheel carries the pre-registered claims beside the code that reads them."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ClaimsHook(BuildHookInterface):
    """Put ``chapters/claims.yml`` into the wheel as ``entropylab/book/claims.yml``.

    An editable install gets no copy: a copy would go stale, and the file in ``chapters/`` is at hand.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file unless ``version`` says that this is an editable install."""
        if version != "editable":
            build_data["force_include"]["chapters/claims.yml"] = "entropylab/book/claims.yml"
