"""`layout_plates`: specimens in order onto plates, each with its controls at random places."""

import os
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit import arrays
from poolkit.errors import DesignError, Problem, SchemaError
from poolkit.plates.geometry import Fill, plate_problems, texts, well_names
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import CONTENTS, WELLS

_SPECIMEN = CONTENTS.index("specimen")
_EMPTY = CONTENTS.index("empty")
_DIGITS = 6


def plates_needed(n: int, *, protocol: Protocol | str | os.PathLike[str] = "cn-10in1-2020", wells: int = 96) -> int:
    """Count the plates that n specimens take, each plate with the controls that the protocol asks for.

    Parameters
    ----------
    n
        Specimens.
    protocol
        A protocol, the name of one, or the path of its file.
    wells
        96 or 384.

    Returns
    -------
    int
        Plates, the last one partly filled.

    Raises
    ------
    DesignError
        When n is negative, there is no such plate, or the controls leave no well for a specimen.
    ProtocolError
        When no protocol has the name.

    Examples
    --------
    A million persons in tubes of ten, 4 controls a plate:

    >>> plates_needed(100_000), plates_needed(100_000, wells=384)
    (1087, 264)
    """
    problems = plate_problems(wells, "row")
    if n < 0:
        problems.append(Problem("n", f"must be at least 0, found {n}"))
    if problems:
        raise DesignError("the plates cannot be counted", problems)
    return -(-n // (wells - _controls(load_protocol(protocol), wells).size))


def layout_plates(
    specimens: Any,
    *,
    seed: int,
    protocol: Protocol | str | os.PathLike[str] = "cn-10in1-2020",
    wells: int = 96,
    fill: Fill = "column",
    prefix: str = "PL",
    start: int = 1,
) -> pa.Table:
    """Give each specimen a well, in order, on plates that each carry their controls at random places.

    Parameters
    ----------
    specimens
        Specimen ids (pool ids, or sample ids tested alone) in the order in which they are to stand: an Arrow string
        array or anything that pyarrow turns into one.
    seed
        Decides where the controls stand; the same seed gives the same layout.
    protocol
        A protocol, the name of one, or the path of its file: how many wells of each control a plate holds.
    wells
        96 or 384.
    fill
        ``column``: A01, B01, C01 and so on, as an eight-channel pipette fills; ``row``: A01, A02, A03 and so on.
    prefix, start
        Plate ids are the prefix and a running number of at least six digits, from `start`.

    Returns
    -------
    pyarrow.Table
        Table `wells`, every well of every plate, plates in order and wells in order of filling. Unused wells, only
        on the last plate and only at its end, have content `empty`.

    Raises
    ------
    DesignError
        When a specimen is named twice, there is no such plate or order, a number is out of range, or the controls
        leave no well for a specimen.
    SchemaError
        When the specimens are not text, or one is null or empty.
    ProtocolError
        When no protocol has the name.

    Notes
    -----
    Every set of places among the filled wells of a plate is equally likely for its controls. The layout of a full
    plate does not depend on how many specimens come after it. Cost is O(wells log wells) a plate; 100,000 specimens
    take well under 0.2 s.

    References
    ----------
    .. [1] Manual of nucleic-acid testing in medical institutions, second trial edition (28 Dec 2020): controls stand
       at random places among the specimens and go through extraction.

    Examples
    --------
    >>> plate = layout_plates(["T1", "T2", "T3"], seed=1)
    >>> plate.num_rows, plate["well"][1].as_py()
    (96, 'B01')
    >>> plate["content"].to_pylist()[:8]
    ['blank', 'specimen', 'negative_control', 'specimen', 'negative_control', 'weak_positive_control',
     'specimen', 'empty']
    """
    problems = plate_problems(wells, fill)
    problems += [
        Problem(name, f"must be at least 0, found {found}")
        for name, found in (("seed", seed), ("start", start))
        if found < 0
    ]
    if problems:
        raise DesignError("the plates cannot be laid out so", problems)
    controls = _controls(load_protocol(protocol), wells)
    named = _specimens(specimens)
    n_specimens = len(named)
    n_plates = -(-n_specimens // (wells - controls.size))
    if n_plates == 0:
        return WELLS.empty()

    content = _contents(n_specimens, n_plates, wells, controls, np.random.Generator(np.random.PCG64(seed))).ravel()
    places = np.flatnonzero(content == _SPECIMEN)
    specimen = np.zeros(content.size, np.int64)
    specimen[places] = np.arange(n_specimens)
    plate = np.repeat(np.arange(n_plates), wells)
    numbers = pc.utf8_lpad(pa.array(np.arange(start, start + n_plates)).cast(pa.string()), _DIGITS, "0")
    plate_ids = pc.binary_join_element_wise(prefix, numbers, "")
    well = np.tile(np.arange(wells), n_plates)
    return pa.Table.from_arrays(
        [
            plate_ids.take(pa.array(plate)),
            well_names(wells, fill=fill).take(pa.array(well)),
            pa.array(CONTENTS).take(pa.array(content)),
            named.take(pa.array(specimen, mask=content != _SPECIMEN)),
        ],
        schema=WELLS.schema,
    )


def _controls(protocol: Protocol, wells: int) -> NDArray[np.int8]:
    """Return the content code of each control well that a plate must hold, in the vocabulary's order."""
    asked = [code for code, content in enumerate(CONTENTS) for _ in range(protocol.minimum(content))]
    if len(asked) >= wells:
        raise DesignError(
            "the controls leave no well for a specimen",
            [Problem("controls", f"{protocol.label} asks for {len(asked)} wells of a plate of {wells}")],
        )
    return np.array(asked, np.int8)


def _specimens(given: Any) -> pa.StringArray:
    values = texts(given, "specimen_id")
    missing = np.flatnonzero(pc.fill_null(pc.equal(values, ""), True).to_numpy(zero_copy_only=False))
    if missing.size:
        problem = Problem("specimen_id", "must not be null or empty", tuple(missing.tolist()))
        raise SchemaError("not a column of specimen_id", [problem])
    index = arrays.TextIndex.of(values)
    if len(index.values) < len(values):
        counts = np.bincount(index.codes)
        raise DesignError(
            "a specimen can stand in one well only",
            [
                Problem(
                    "specimen_id",
                    f"{index.values[int(code)]} is named {counts[code]} times",
                    tuple(np.flatnonzero(index.codes == code).tolist()),
                )
                for code in np.flatnonzero(counts > 1)
            ],
        )
    return values


def _contents(
    n_specimens: int, n_plates: int, wells: int, controls: NDArray[np.int8], random: np.random.Generator
) -> NDArray[np.int8]:
    """Return the content code of each well, shape (plates, wells in order of filling)."""
    content = np.full((n_plates, wells), _SPECIMEN, np.int8)
    keys = random.random((n_plates, wells))
    n_last = n_specimens - (n_plates - 1) * (wells - controls.size) + controls.size
    # A well that stays empty never comes first.
    keys[-1, n_last:] = 2.0
    content[-1, n_last:] = _EMPTY
    chosen = np.argsort(keys, axis=1, kind="stable")[:, : controls.size]
    np.put_along_axis(content, chosen, np.broadcast_to(controls, chosen.shape), axis=1)
    return content
