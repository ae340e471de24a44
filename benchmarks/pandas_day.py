"""A day in pandas: what a competent analyst would write with merges and groupbys, and what poolkit is timed against.

It follows sections 3 to 5, 7 and 8 of ``docs/definitions.md`` for a first day: no history, no pools mixed in the
laboratory, every sample registered once. It makes no findings and no tables of pools and members, so it does less than
`poolkit.process`. It imports nothing of poolkit: frames and a protocol's values go in, frames come out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

MUST_BE_ABSENT = ("negative_control", "blank")
MUST_BE_DETECTED = ("positive_control", "weak_positive_control")
# Of calls that ended together the first of these counts.
SERIOUSNESS = {"positive": 0, "suspect": 1, "negative": 2, "invalid": 3}
REASONS = {
    "plate_controls": ["plate_controls"],
    "conflicting": ["conflicting_readings"],
    "positive": [],
    "single_target": ["single_target"],
    "grey": ["grey"],
    "single_target+grey": ["single_target", "grey"],
    "target_missing": ["target_missing"],
    "internal_control": ["internal_control"],
    "negative": [],
}
CALL_OF = dict.fromkeys(REASONS, "invalid") | {
    "positive": "positive",
    "single_target": "suspect",
    "grey": "suspect",
    "single_target+grey": "suspect",
    "negative": "negative",
}

Frames = dict[str, pd.DataFrame]
Rules = Mapping[str, Any]


def process(
    samples: pd.DataFrame, wells: pd.DataFrame, runs: pd.DataFrame, readings: pd.DataFrame, rules: Rules
) -> Frames:
    """Return the calls, results and orders of a first day.

    Parameters
    ----------
    samples, wells, runs, readings : pandas.DataFrame
        The day's tables, with every ``sample_id`` once.
    rules : mapping
        The protocol's values, as JSON gives them.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``calls``, ``results`` (one row a sample, in the order of the samples) and ``orders``.

    Raises
    ------
    ValueError
        When a sample is registered twice.
    """
    if samples["sample_id"].duplicated().any():
        raise ValueError("a sample is registered twice, which this twin does not know")
    at = max(samples["collected_at"].max(), runs["started_at"].max(), runs["ended_at"].max())
    runs = runs[runs["ended_at"] <= at]
    read = read_wells(wells, runs, readings, rules)
    calls = call_wells(wells, runs, read, rules)
    tubes = tubes_of(samples, rules)
    looks = looks_of(calls, runs, samples, tubes)
    pools = pool_outcomes(looks[looks["is_pool"]], tubes, rules)
    singles = single_outcomes(looks[~looks["is_pool"]], rules)
    everyone = standing(samples, tubes, pools, singles, rules)
    everyone["probability"] = probability(everyone, rules)
    columns = ["sample_id", "subject_id", "status", "probability", "evidence", "protocol", "decided_at"]
    everyone["protocol"] = f"{rules['name']}@{rules['version']}"
    everyone["decided_at"] = everyone["decided_at"].fillna(at)
    return {"calls": calls, "results": everyone[columns], "orders": orders_of(everyone, at, rules)}


def frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame of plain text columns: categories that differ between tables do not merge as such."""
    coded = [pa.types.is_dictionary(field.type) for field in table.schema]
    fields = [
        field.with_type(pa.string()) if is_coded else field for field, is_coded in zip(table.schema, coded, strict=True)
    ]
    return table.cast(pa.schema(fields)).to_pandas()


def read_wells(wells: pd.DataFrame, runs: pd.DataFrame, readings: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return what was read of each well of each run, counted over its targets (sections 2 and 3.1)."""
    targets, internal = rules["targets"], rules["internal_control"]
    used = readings[readings["target"].isin([*targets, internal])]
    used = used.merge(runs[["run_id", "plate_id"]], on="run_id")
    stands = wells.loc[wells["content"] != "empty", ["plate_id", "well", "content", "specimen_id"]]
    used = used.merge(stands, on=["plate_id", "well"])
    key = ["run_id", "well", "target"]
    used["conflicting"] = False
    repeated = used.duplicated(key, keep=False)
    if repeated.any():
        differing = used[repeated].groupby(key)["ct_cycles"].nunique(dropna=False) > 1
        used = used.drop_duplicates(key)
        differs = differing[differing].index
        used["conflicting"] = pd.MultiIndex.from_frame(used[key]).isin(differs)
    ct = used["ct_cycles"]
    clear = ~used["conflicting"]
    pathogen = used["target"].isin(targets)
    used["pathogens"] = pathogen
    used["detected"] = pathogen & clear & (ct < rules["ct_positive"])
    used["grey"] = pathogen & clear & ct.between(rules["ct_positive"], rules["ct_limit"])
    used["absent"] = pathogen & clear & (ct.isna() | (ct > rules["ct_limit"]))
    used["shown"] = used["detected"] & inside_window(used, rules)
    used["internal"] = (used["target"] == internal) & (ct <= (rules["ct_internal"] or 0.0))
    counted = ["conflicting", "pathogens", "detected", "grey", "absent", "shown", "internal"]
    return used.groupby(["run_id", "well"], sort=False)[counted].sum().reset_index()


def inside_window(used: pd.DataFrame, rules: Rules) -> pd.Series:
    """Say of each reading whether it is inside the window that its control has for its target, if any."""
    inside = pd.Series(data=True, index=used.index)
    for content, control in rules["controls"].items():
        for target, (low, high) in control["windows"].items():
            rows = (used["content"] == content) & (used["target"] == target)
            inside &= ~rows | used["ct_cycles"].between(low, high)
    return inside


def failed_runs(wells: pd.DataFrame, runs: pd.DataFrame, read: pd.DataFrame, rules: Rules) -> pd.Series:
    """Return the run_ids whose controls fail (section 3.2)."""
    n_targets = len(rules["targets"])
    controls = wells[wells["content"].isin([*MUST_BE_ABSENT, *MUST_BE_DETECTED])]
    controls = runs[["run_id", "plate_id"]].merge(controls, on="plate_id")
    controls = controls.merge(read[["run_id", "well", "absent", "shown"]], on=["run_id", "well"], how="left")
    right = np.where(controls["content"].isin(MUST_BE_ABSENT), controls["absent"], controls["shown"]) == n_targets
    wrong = controls.loc[~right, "run_id"]
    counts = wells.groupby(["plate_id", "content"], observed=True).size().unstack(fill_value=0)
    lacking = pd.Series(data=False, index=counts.index)
    for content, control in rules["controls"].items():
        held = counts.get(content, 0)
        lacking |= held < control["minimum"]
    return pd.concat([wrong, runs.loc[runs["plate_id"].isin(lacking[lacking].index), "run_id"]]).drop_duplicates()


def call_wells(wells: pd.DataFrame, runs: pd.DataFrame, read: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return one call for each specimen well that was read (section 3.3)."""
    n_targets = len(rules["targets"])
    specimens = wells.loc[wells["content"] == "specimen", ["plate_id", "well", "specimen_id"]]
    calls = runs[["run_id", "plate_id"]].merge(specimens, on="plate_id").merge(read, on=["run_id", "well"])
    failed = calls["run_id"].isin(failed_runs(wells, runs, read, rules))
    any_detected, any_grey = calls["detected"] > 0, calls["grey"] > 0
    no_internal = (calls["internal"] == 0) if rules["internal_control"] else pd.Series(data=False, index=calls.index)
    ladder = {
        "plate_controls": failed,
        "conflicting": calls["conflicting"] > 0,
        "positive": calls["detected"] >= rules["targets_for_positive"],
        "single_target+grey": any_detected & any_grey,
        "single_target": any_detected,
        "grey": any_grey,
        "target_missing": calls["pathogens"] < n_targets,
        "internal_control": no_internal,
    }
    said = pd.Series(np.select(list(ladder.values()), list(ladder), default="negative"), index=calls.index)
    calls["call"] = said.map(CALL_OF)
    calls["reasons"] = said.map(REASONS)
    return calls[["run_id", "well", "plate_id", "specimen_id", "call", "reasons"]]


def tubes_of(samples: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return one row a tube: how many samples, the newest of them, and whether a negative of it clears anyone."""
    tubes = samples.groupby("tube_id", sort=False).agg(
        n_members=("sample_id", "size"),
        only=("sample_id", "first"),
        newest=("collected_at", "max"),
        n_kinds=("kind", "nunique"),
    )
    tubes["unusable"] = (tubes["n_members"] > rules["max_pool_size"]) | (tubes["n_kinds"] > 1)
    return tubes.reset_index()


def looks_of(calls: pd.DataFrame, runs: pd.DataFrame, samples: pd.DataFrame, tubes: pd.DataFrame) -> pd.DataFrame:
    """Return the looks at each pool and single in order of time (section 4)."""
    looks = calls.drop(columns=["plate_id", "reasons"]).merge(runs[["run_id", "ended_at"]], on="run_id")
    looks = looks.merge(tubes, left_on="specimen_id", right_on="tube_id", how="left")
    looks["is_pool"] = looks["n_members"] > 1
    # A tube of one is its sample; what is no tube may be a sample of a shared tube.
    looks["owner"] = looks["only"].where(looks["n_members"] == 1, looks["specimen_id"])
    alone = looks["tube_id"].isna()
    if alone.any():
        collected = samples.set_index("sample_id")["collected_at"]
        looks.loc[alone, "newest"] = looks.loc[alone, "specimen_id"].map(collected)
    looks = looks[looks["ended_at"] >= looks["newest"]]
    looks["serious"] = looks["call"].map(SERIOUSNESS)
    looks = looks.sort_values(["is_pool", "owner", "ended_at", "serious", "run_id", "well"])
    looks = looks.drop_duplicates(["is_pool", "owner", "ended_at"])
    looks["evidence"] = looks["specimen_id"] + "/" + looks["run_id"] + "/" + looks["well"]
    return looks[["is_pool", "owner", "ended_at", "call", "evidence"]]


def counted(looks: pd.DataFrame) -> pd.DataFrame:
    """Return how many looks of each kind there were at each owner."""
    flags = looks[["owner"]].assign(
        n_suspect=looks["call"] == "suspect",
        n_reactive=looks["call"].isin(["positive", "suspect"]),
        n_negative=looks["call"] == "negative",
        n_invalid=looks["call"] == "invalid",
    )
    return flags.groupby("owner", sort=False).sum()


def pool_outcomes(looks: pd.DataFrame, tubes: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return the outcome of each pool that was read, what decided it, and its last look."""
    weight = looks["call"].map({"positive": 2, "suspect": 2, "negative": 1, "invalid": 0})
    deciding = looks.assign(weight=weight).sort_values(["owner", "weight", "ended_at"])
    deciding = deciding.drop_duplicates("owner", keep="last").set_index("owner")
    counts = counted(looks)
    last = looks.groupby("owner", sort=False)["ended_at"].max().rename("last")
    pools = (
        tubes[tubes["n_members"] > 1].set_index("tube_id").join([deciding[["call", "evidence", "ended_at"]], counts])
    )
    pools = pools.join(last)
    spoiled = pools["unusable"] & (pools["call"] == "negative")
    exhausted = (pools["call"] == "invalid") & (pools["n_invalid"] > rules["invalid_reruns"])
    pools["outcome"] = pools["call"].mask(exhausted | spoiled, "exhausted").fillna("unread")
    pools["spoiled"] = spoiled
    columns = ["outcome", "spoiled", "evidence", "ended_at", "last", "n_reactive", "n_negative"]
    return pools[columns].add_prefix("pool_").reset_index()


def single_outcomes(looks: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Return the outcome of each sample that was read alone, and what decided it."""
    deciding = looks.assign(valid=looks["call"] != "invalid").sort_values(["owner", "valid", "ended_at"])
    singles = deciding.drop_duplicates("owner", keep="last").set_index("owner").join(counted(looks))
    again = (singles["call"] == "suspect") & (singles["n_suspect"] > 1)
    exhausted = (singles["call"] == "invalid") & (singles["n_invalid"] > rules["invalid_reruns"])
    singles["outcome"] = singles["call"].mask(again, "second suspect").mask(exhausted, "exhausted")
    columns = ["outcome", "evidence", "ended_at", "n_reactive", "n_negative"]
    return singles[columns].add_prefix("single_").reset_index(names="sample_id")


def standing(
    samples: pd.DataFrame, tubes: pd.DataFrame, pools: pd.DataFrame, singles: pd.DataFrame, rules: Rules
) -> pd.DataFrame:
    """Return each sample with its status, what is asked for and why, and what decided (section 5)."""
    everyone = samples[["sample_id", "subject_id", "tube_id"]]
    everyone = everyone.merge(tubes[["tube_id", "n_members", "unusable"]], on="tube_id", how="left")
    everyone = everyone.merge(pools, on="tube_id", how="left").merge(singles, on="sample_id", how="left")
    single = everyone["single_outcome"].fillna("unread")
    pool = everyone["pool_outcome"].fillna("none")
    earlier = everyone["pool_last"].isna() | (everyone["pool_last"] < everyone["single_ended_at"])
    cleared = (single == "negative") & (pool.isin(["none", "negative", "unread"]) | earlier)
    second = "positive" if rules["second_suspect"] == "positive" else "suspect"
    again = "recollect" if rules["positive_pool"] == "recollect" else "retest"
    # Where a pool asks for a retest, an invalid single changes what is asked for; status and evidence stay the pool's.
    retest = "rerun:invalid_single", "recollect:invalid_single"
    asked = {word: f"{again}:{word}_pool" for word in ("positive", "suspect", "invalid", "unusable")}
    by_pool = pool.isin(["positive", "suspect", "exhausted"])
    cases = [
        (single == "positive", "positive", ":", True),
        (single == "second suspect", second, ":" if second == "positive" else "recollect:suspect_single", True),
        (single == "suspect", "suspect", "retest:suspect_single", True),
        (cleared, "negative", ":", True),
        (pool == "negative", "negative", ":", False),
        (by_pool & (again == "retest") & (single == "invalid"), "by pool", retest[0], False),
        (by_pool & (again == "retest") & (single == "exhausted"), "by pool", retest[1], False),
        (pool == "positive", "suspect", asked["positive"], False),
        (pool == "suspect", "suspect", asked["suspect"], False),
        ((pool == "exhausted") & everyone["pool_spoiled"].eq(True), "by pool", asked["unusable"], False),
        (pool == "exhausted", "by pool", asked["invalid"], False),
        (pool == "invalid", "pending", "rerun:invalid_pool", False),
        (pool == "unread", "pending", ":", False),
        (single == "invalid", "pending", "rerun:invalid_single", True),
        (single == "exhausted", "invalid", "recollect:invalid_single", True),
    ]
    met = [condition for condition, *_ in cases]
    status = np.select(met, [status for _, status, _, _ in cases], default="pending")
    of_pool = np.where(pool == "exhausted", rules["exhausted_pool"], "suspect")
    everyone["status"] = np.where(status == "by pool", of_pool, status)
    everyone["asked"] = np.select(met, [asks for _, _, asks, _ in cases], default=":")
    alone = np.select(met, [speaks for *_, speaks in cases], default=True).astype(bool)
    everyone["evidence"] = everyone["single_evidence"].where(alone, everyone["pool_evidence"])
    everyone["decided_at"] = everyone["single_ended_at"].where(alone, everyone["pool_ended_at"])
    return everyone


def probability(everyone: pd.DataFrame, rules: Rules) -> np.ndarray:
    """Return the posterior probability that each sample is infected, NaN where nothing can be said (section 8)."""
    sizes, values = zip(*rules["sensitivity"], strict=True)
    specificity, prior = rules["specificity"], rules["prior_prevalence"]
    counts = ["single_n_reactive", "single_n_negative", "pool_n_reactive", "pool_n_negative"]
    reactive, negative, pool_reactive, pool_negative = (everyone[name].fillna(0).to_numpy(float) for name in counts)
    sensitivity = np.interp(1, sizes, values)
    infected = prior * sensitivity**reactive * (1 - sensitivity) ** negative
    clear = (1 - prior) * (1 - specificity) ** reactive * specificity**negative
    sensitivity = np.interp(everyone["n_members"], sizes, values)
    if_any = sensitivity**pool_reactive * (1 - sensitivity) ** pool_negative
    if_none = (1 - specificity) ** pool_reactive * specificity**pool_negative
    weights = pd.DataFrame({"either": infected + clear, "clear": clear})
    products = weights.groupby(everyone["tube_id"], sort=False).transform("prod")
    either, none = products["either"].to_numpy(), products["clear"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        above = if_any * infected * either / weights["either"].to_numpy()
        pooled = above / (if_any * (either - none) + if_none * none)
        alone = infected / (infected + clear)
    is_pool = everyone["n_members"].to_numpy() > 1
    said = reactive + negative + pool_reactive + pool_negative > 0
    posterior = np.where(said & ~(is_pool & everyone["unusable"]), np.where(is_pool, pooled, alone), np.nan)
    return np.where(np.isfinite(posterior), posterior, np.nan)


def orders_of(everyone: pd.DataFrame, at: pd.Timestamp, rules: Rules) -> pd.DataFrame:
    """Return the first order of each sample that asks for something (section 7)."""
    asking = everyone.loc[everyone["asked"] != ":", ["sample_id", "asked"]]
    asked = asking["asked"].str.split(":", expand=True)
    orders = pd.DataFrame({"order_id": asking["sample_id"], "sample_id": asking["sample_id"]})
    orders["action"], orders["reason"] = (asked[0], asked[1]) if len(asked) else ("", "")
    orders["order_id"] = orders["sample_id"] + "/" + orders["action"] + "/1"
    orders["issued_at"] = at
    orders["due_at"] = at + pd.to_timedelta(orders["action"].map(rules["due_hours"]), unit="h")
    return orders.reset_index(drop=True)
