"""Why two articles of a run are together or apart.

The files, in the order of the work:

- `wording` – pass 1: what the two texts share, against the thresholds, and what differs
- `likeness` – pass 2: the terms that carry the cosine, and the steps from it to the score
- `linking` – the chain of links between the two, and where the tree of stories was cut
- `joining` – for two that are apart, the nearest settings that join them, found by trying
- `choosing` – which rule chose who stands for their groups and stories
- `sentences` – all that in words
- `explanation` – the whole
"""

from __future__ import annotations

from dedup.explaining.explanation import explain

__all__ = ["explain"]
