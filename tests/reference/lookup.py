"""What an index of texts has to find, and which rows stand in the order of others; from the definition."""


def blocks_of(texts_of_blocks: list[list[str]], wanted: list[str]) -> set[tuple[int, int]]:
    """Return the place of each wanted text with each block that holds it."""
    return {
        (place, block)
        for place, text in enumerate(wanted)
        for block, texts in enumerate(texts_of_blocks)
        if text in texts
    }


def paired(hashes: list[int], others: list[int], ahead: int) -> list[int]:
    """Return for each hash the row of the others that has it, at most so far ahead of the one found last, or -1."""
    rows, place = [], 0
    for wanted in hashes:
        near = others[place : place + ahead]
        rows.append(place + near.index(wanted) if wanted in near else -1)
        place = rows[-1] + 1 if rows[-1] >= 0 else place
    return rows
