"""Decoding of pools, written from the definitions; slow, and nothing of poolkit.

Pools are lists of sample numbers, looks are (times reactive, times negative), and ``reactive(size, infected)`` is the
probability that a pool reacts.
"""

from itertools import product
from math import prod


def weight(truth, pools, looks, priors, reactive):
    """Return prior times likelihood of one truth, a tuple of 0 and 1."""
    own = prod(prior if infected else 1.0 - prior for infected, prior in zip(truth, priors, strict=True))
    for members, (yes, no) in zip(pools, looks, strict=True):
        chance = reactive(len(members), sum(truth[sample] for sample in members))
        own *= chance**yes * (1.0 - chance) ** no
    return own


def posterior(pools, looks, priors, reactive):
    """Return each sample's posterior (None when no truth is possible), and all truths by falling weight."""
    truths = [(weight(truth, pools, looks, priors, reactive), truth) for truth in product((0, 1), repeat=len(priors))]
    total = sum(each for each, _ in truths)
    truths.sort(key=lambda each: -each[0])
    if total == 0.0:
        return None, truths
    return [sum(each for each, truth in truths if truth[sample]) / total for sample in range(len(priors))], truths


def eliminate(n_samples, pools, reads, tolerance):
    """Return where each sample stands and how each pool fits; reads are "negative", "positive" or None."""
    n_against = [0] * n_samples
    for members, read in zip(pools, reads, strict=True):
        for sample in members:
            n_against[sample] += read == "negative"
    cleared = {sample for sample in range(n_samples) if n_against[sample] > tolerance}
    contradicted = {
        number
        for number, (members, read) in enumerate(zip(pools, reads, strict=True))
        if read == "positive" and set(members) <= cleared
    }
    doubtful = {sample for number in contradicted for sample in pools[number]}
    held = [set(members) - (cleared - doubtful) for members in pools]
    definite = {
        min(held[number])
        for number, read in enumerate(reads)
        if read == "positive" and number not in contradicted and len(held[number]) == 1
    } - doubtful
    standing = [
        "doubtful"
        if sample in doubtful
        else "cleared"
        if sample in cleared
        else "definite"
        if sample in definite
        else "open"
        for sample in range(n_samples)
    ]
    fit = [
        "unknown"
        if read is None
        else "contradicted"
        if number in contradicted or (read == "negative" and definite & set(pools[number]))
        else "explained"
        for number, read in enumerate(reads)
    ]
    return standing, fit


def indistinct(n_samples, pools, reads, standing):
    """Return the groups of samples not cleared that stand in the same pools of those that were read, two and more."""
    groups = {}
    for sample in range(n_samples):
        read = tuple(number for number, members in enumerate(pools) if sample in members and reads[number] is not None)
        if read and standing[sample] != "cleared":
            groups.setdefault(read, []).append(sample)
    return sorted(group for group in groups.values() if len(group) > 1)


def components(n_samples, pools):
    """Return the sets of samples that pools join, in order of their first sample."""
    left, found = set(range(n_samples)), []
    while left:
        joined, grown = set(), {min(left)}
        while grown != joined:
            joined = grown
            grown = joined.union(*(members for members in pools if joined & set(members)))
        found.append(sorted(joined))
        left -= joined
    return found
