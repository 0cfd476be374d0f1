"""A short form for the lists of wrong answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autograder.variants import Wrong


def wrongs_of(exercise: str, caught_by: str | None = None) -> Callable[..., Wrong]:
    """`wrong(name, *edits, says=..., hint=...)` for one exercise cell; `caught_by` is its test by default.

    An edit is a pair (old, new); instead of edits a whole cell may be given as `code`.
    """

    def wrong(
        name: str,
        *edits: tuple[str, str],
        says: str,
        hint: str,
        code: str | None = None,
        by: str | None = None,
        also: Mapping[str, str] | None = None,
    ) -> Wrong:
        test = by or caught_by or f"{exercise}-test"
        return Wrong(
            exercise=exercise,
            name=name,
            code=code,
            edits=edits,
            also=also or {},
            hint=hint,
            caught_by=test,
            says=says,
        )

    return wrong
