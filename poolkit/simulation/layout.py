"""Which specimen or control stands in which well of which plate."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.errors import Problem
from poolkit.protocols import Protocol
from poolkit.schemas import CONTENTS
from poolkit.simulation.barcodes import coded

# Rows and columns of the plates in use (ANSI/SLAS 4-2004, well positions).
PLATE_SHAPES = {96: (8, 12), 384: (16, 24)}
WELL_NAMES = tuple(f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25))
SPECIMEN = CONTENTS.index("specimen")
EMPTY = CONTENTS.index("empty")


@dataclass(frozen=True, slots=True)
class PlateWells:
    """What stands in each well, one row a well, plates one after the other.

    Attributes
    ----------
    plate : numpy.ndarray
        Plate, counted from 0, not decreasing, shape (wells,).
    well : numpy.ndarray
        Position in `WELL_NAMES`, shape (wells,).
    content : numpy.ndarray
        Position in the vocabulary of contents, shape (wells,).
    specimen : numpy.ndarray
        Specimen, counted from 0; -1 where the content is not a specimen, shape (wells,).
    """

    plate: NDArray[np.int32]
    well: NDArray[np.int32]
    content: NDArray[np.int8]
    specimen: NDArray[np.int32]

    @property
    def n_plates(self) -> int:
        """Plates."""
        return int(self.plate[-1]) + 1 if self.plate.size else 0

    def only(self, keep: NDArray[np.bool_]) -> "PlateWells":
        """Return the plates that are marked, counted anew; `keep` has shape (plates,)."""
        rows = keep[self.plate]
        number = (np.cumsum(keep) - 1).astype(np.int32)
        return PlateWells(number[self.plate[rows]], self.well[rows], self.content[rows], self.specimen[rows])

    def then(self, other: "PlateWells", n_specimens: int) -> "PlateWells":
        """Return these plates followed by the others, whose specimens are counted from `n_specimens`."""
        further = np.where(other.specimen >= 0, other.specimen + n_specimens, -1)
        return PlateWells(
            np.concatenate([self.plate, other.plate + np.int32(self.n_plates)]),
            np.concatenate([self.well, other.well]),
            np.concatenate([self.content, other.content]),
            np.concatenate([self.specimen, further.astype(np.int32)]),
        )

    def table(self, plate_ids: pa.Array, specimen_ids: pa.Array) -> pa.Table:
        """Return the wells table, given the barcode of each plate and of each specimen."""
        return pa.table(
            {
                "plate_id": coded(self.plate, plate_ids),
                "well": coded(self.well, WELL_NAMES),
                "content": coded(self.content, CONTENTS),
                "specimen_id": coded(self.specimen, specimen_ids, null=True),
            }
        )


def n_controls(protocol: Protocol) -> int:
    """Return how many wells of a plate the protocol's controls take."""
    return sum(protocol.minimum(content) for content in CONTENTS)


def plate_problems(wells: int, protocol: Protocol) -> list[Problem]:
    """Return what is wrong with a plate of this many wells under this protocol."""
    if wells not in PLATE_SHAPES:
        return [Problem("wells", f"must be {' or '.join(map(str, PLATE_SHAPES))}, found {wells}")]
    if n_controls(protocol) >= wells:
        return [Problem("wells, controls", f"{n_controls(protocol)} controls leave no place on a plate of {wells}")]
    return []


def lay_out(n_specimens: int, *, wells: int, protocol: Protocol, rng: np.random.Generator) -> PlateWells:
    """Put specimens on plates in their order, with the protocol's controls in random wells of each.

    Parameters
    ----------
    n_specimens
        Specimens.
    wells
        Wells of a plate, 96 or 384.
    protocol
        Which controls each plate holds.
    rng
        Where the controls stand.

    Returns
    -------
    PlateWells
        Every well of every plate, down the columns. The last plate's unused wells are empty.

    Notes
    -----
    O(wells log wells) a plate. The controls are the first wells in a random order of the plate, so that each place
    is equally likely.

    References
    ----------
    医疗机构核酸检测工作手册(试行第二版), 医疗发 2020 313: controls at random places among the specimens.
    """
    contents = np.repeat(np.arange(len(CONTENTS), dtype=np.int8), [protocol.minimum(content) for content in CONTENTS])
    places = wells - contents.size
    assert places > 0, (wells, contents.size)
    n_plates = -(-n_specimens // places)
    used = np.full(n_plates, wells)
    used[-1:] = n_specimens - (n_plates - 1) * places + contents.size
    lots = rng.random((n_plates, wells))
    position = np.arange(wells)
    unused = position >= used[:, None]
    lots[unused] = 1.0
    content = np.full((n_plates, wells), SPECIMEN, np.int8)
    content[unused] = EMPTY
    chosen = np.argsort(lots, axis=1)[:, : contents.size]
    np.put_along_axis(content, chosen, np.broadcast_to(contents, chosen.shape), axis=1)
    held = content.ravel() == SPECIMEN
    specimen = np.where(held, np.cumsum(held) - 1, -1).astype(np.int32)
    n_rows = PLATE_SHAPES[wells][0]
    names = (position % n_rows) * 24 + position // n_rows
    return PlateWells(
        plate=np.repeat(np.arange(n_plates, dtype=np.int32), wells),
        well=np.tile(names.astype(np.int32), n_plates),
        content=content.ravel(),
        specimen=specimen,
    )
