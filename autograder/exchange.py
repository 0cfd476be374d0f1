"""nbgrader's exchange, with the one thing mended that would let a student read the instructor's files."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import ignore_patterns


class CollectWithoutLinks(ExchangeCollect):
    """Collect submissions without following links.

    nbgrader copies what a link points to with the instructor's rights; from there it would go back to the student
    with the feedback. Here links are left out, and a warning names them.
    """

    def do_copy(self, src: str, dest: str, log: object = None) -> None:
        """Copy a submission; as nbgrader's, with the same limits of size."""
        size, most = self.get_size(src), 1000 * self.coursedir.max_dir_size
        if size > most:
            raise RuntimeError(f"The submission is too large: {size} bytes, at most {most}")
        shutil.copytree(
            src,
            dest,
            symlinks=True,
            copy_function=functools.partial(shutil.copy2, follow_symlinks=False),
            ignore=ignore_patterns(
                exclude=self.coursedir.ignore,
                include=self.coursedir.include,
                max_file_size=self.coursedir.max_file_size,
                log=self.log,
            ),
        )
        for path in Path(dest).rglob("*"):
            if path.is_symlink():
                path.unlink()
                self.log.warning("A link was left out of the submission: %s", path)
            elif self.coursedir.groupshared:
                path.chmod(path.stat().st_mode | (0o2770 if path.is_dir() else 0o660))
