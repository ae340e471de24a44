"""Dictionary-encoded text that came in pieces: every piece over one dictionary, each text looked at once."""

import numpy as np
import pyarrow as pa


def same_memory(one: pa.Array, other: pa.Array) -> bool:
    """Return whether two arrays are the same piece of the same buffers."""
    return _place(one) == _place(other)


def _place(values: pa.Array) -> tuple[int | None, ...]:
    return (len(values), values.offset, *(buffer.address if buffer else None for buffer in values.buffers()))


def unified(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dictionary-encoded text with all chunks over one dictionary; it is the column itself where they are.

    Parameters
    ----------
    column
        Chunks of ``dictionary<int32, string>``.

    Returns
    -------
    pyarrow.ChunkedArray
        The same texts in the same chunks.

    Notes
    -----
    O(rows + texts of the distinct dictionaries): a dictionary that several chunks share is looked at once.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column = pa.chunked_array([pa.array(["N", "N"]).dictionary_encode(), pa.array(["E", "N"]).dictionary_encode()])
    >>> [chunk.dictionary.to_pylist() for chunk in unified(column).chunks]
    [['N', 'E'], ['N', 'E']]
    """
    distinct = {_place(chunk.dictionary): chunk.dictionary for chunk in column.chunks}
    if len(distinct) < 2:
        return column
    every_text = [
        pa.DictionaryArray.from_arrays(pa.array(np.arange(len(texts), dtype=np.int32)), texts)
        for texts in distinct.values()
    ]
    renumbered = pa.chunked_array(every_text).unify_dictionaries().chunks
    moved = {place: chunk.indices for place, chunk in zip(distinct, renumbered, strict=True)}
    texts = renumbered[0].dictionary
    return pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays(moved[_place(chunk.dictionary)].take(chunk.indices), texts)
            for chunk in column.chunks
        ]
    )
