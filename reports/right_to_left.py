"""WeasyPrint 70 lays out every line of right-to-left text twice; here once, like a line from left to right.

After a line it asks again where the line may start. The answer for right-to-left is the right edge, which it then takes
for the left one and adds the width (`weasyprint.layout.inline.get_next_linebox`): the places never agree, and the line
is made anew, just the same. A fifth of an Arabic report was spent on it.
"""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import Any


@lru_cache(maxsize=1)
def lay_out_lines_once() -> None:
    """For all documents of this process. Lines beside a float stay as they are: there the second try has a reason."""
    from weasyprint.formatting_structure.boxes import LineBox
    from weasyprint.layout import inline

    found_by_library = inline.avoid_collisions

    @wraps(found_by_library)
    def avoid_collisions(context: Any, box: Any, containing_block: Any, outer: bool = True) -> tuple[float, ...]:
        edge, top, available = found_by_library(context, box, containing_block, outer)
        if context.excluded_shapes or not isinstance(box, LineBox) or containing_block.style["direction"] != "rtl":
            return edge, top, available
        left = edge - box.width
        # The library compares this sum; where rounding spoils it, the line is made twice as before.
        return (left if left + box.width == edge else edge), top, available

    inline.avoid_collisions = avoid_collisions
