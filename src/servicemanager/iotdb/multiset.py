"""Rows compared one by one, where equal rows count as often as they occur."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from servicemanager.iotdb.row_text import row_texts


def multiset_difference(live: pa.Table, archived: pa.Table) -> tuple[pa.Table, int]:
    """The rows of `live` that `archived` lacks, each as often as it lacks it, and how many it holds in excess."""
    texts = pa.chunked_array([*row_texts(live).chunks, *row_texts(archived).chunks], pa.string())
    codes = texts.combine_chunks().dictionary_encode().indices.to_numpy()
    mine, theirs = codes[: live.num_rows], codes[live.num_rows :]
    width = int(codes.max()) + 1 if len(codes) else 0
    have, held = np.bincount(mine, minlength=width), np.bincount(theirs, minlength=width)
    order = np.argsort(mine, kind="stable")
    firsts = np.cumsum(have) - have
    occurrence = np.arange(len(mine)) - firsts[mine[order]]
    lacking = order[occurrence >= held[mine[order]]]
    return live.take(pa.array(np.sort(lacking))), int(np.maximum(held - have, 0).sum())
