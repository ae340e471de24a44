"""The layout of plates, well by well from its definition; slow, and nothing of poolkit."""

import numpy as np

SHAPES = {96: (8, 12), 384: (16, 24)}


def well_order(wells, fill):
    """Name the wells in order of filling."""
    n_rows, n_columns = SHAPES[wells]
    places = [(row, column) for row in range(n_rows) for column in range(n_columns)]
    if fill == "column":
        places.sort(key=lambda place: (place[1], place[0]))
    return ["ABCDEFGHIJKLMNOP"[row] + str(column + 1).zfill(2) for row, column in places]


def laid_out(specimens, controls, wells, fill, seed):
    """Return rows (plate number from 0, well, content, specimen or None).

    A plate draws one number a well; among the wells that are filled, those with the least numbers take the controls, in
    the order in which they are asked for.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    waiting = list(specimens)
    rows = []
    plate = 0
    while waiting:
        numbers = [float(random.random()) for _ in range(wells)]
        here = waiting[: wells - len(controls)]
        waiting = waiting[len(here) :]
        n_filled = len(here) + len(controls)
        by_number = sorted(range(n_filled), key=lambda place: numbers[place])
        control_at = dict(zip(by_number, controls, strict=False))
        for place, well in enumerate(well_order(wells, fill)):
            if place >= n_filled:
                rows.append((plate, well, "empty", None))
            elif place in control_at:
                rows.append((plate, well, control_at[place], None))
            else:
                rows.append((plate, well, "specimen", here.pop(0)))
        plate += 1
    return rows
