"""The slow twin of ``poolkit.process``: docs/definitions.md in plain Python, section by section in the page's order.

It is meant to be read beside that page. Tables are lists of dicts; nothing is fast, and a posterior is the sum over
every way the members of a pool can be infected.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

HISTORY = ("samples", "pools", "members", "wells", "runs", "calls", "orders")
SAMPLE = ("sample_id", "subject_id", "site_id", "collected_at", "kind", "tube_id", "slot", "group_id", "recollect_of")
POOL = ("pool_id", "formed", "n_members", "stage", "design", "block_id")
MEMBER = ("pool_id", "sample_id", "slot", "volume_ul")
WELL = ("plate_id", "well", "content", "specimen_id")
RUN = (
    *("run_id", "plate_id", "instrument_id", "started_at", "ended_at"),
    *("operator_id", "extraction_lot", "amplification_lot", "source_file", "source_sha256"),
)
SETTLED = ("negative", "positive")
UNKNOWN_INSTRUMENT = "unknown"
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def process(day, protocol, at=None, history=None):
    """Compute a day on the union of its history and itself; returns the tables of an Outcome as lists of dicts."""
    past = {name: list((history or {}).get(name) or []) for name in HISTORY}
    findings = []

    # 1 and 9: who is where.
    at = moment(day, past, at)
    rows = registrations(past["samples"], day["samples"])
    samples, doubtful = people(rows, findings)
    tubes = tubes_of(rows, findings)
    pools = pools_of(tubes, samples, past, day, findings)
    wells = wells_of(past["wells"], day["wells"], findings)
    specimens = {specimen: look_up(specimen, pools, tubes, samples) for specimen in named(wells, past["calls"])}
    unknown_specimens(wells, specimens, findings)

    # 2 and 3: readings to calls.
    known, new, not_used = runs_of(day, past, at, findings)
    made = calls_of_day(day["readings"], known, new, not_used, past["calls"], wells, protocol, findings)
    calls = past["calls"] + made
    wells_not_read(wells, calls, {**known, **new}, findings)

    # 4: calls to what is known of each specimen.
    looks = looks_of(calls, specimens, {**known, **new}, pools, samples, findings)
    unusable = {pool_id for pool_id in pools if not usable(pool_id, pools, tubes, samples, protocol, findings)}
    pool_outcomes = {
        pool_id: pool_outcome(looks.get(("pool", pool_id), []), pool_id in unusable, protocol) for pool_id in pools
    }
    single_outcomes = {
        sample_id: single_outcome(looks.get(("single", sample_id), []), protocol) for sample_id in samples
    }

    # 5: each sample by itself.
    own = {}
    cleared = cleared_by_design(samples, pools, pool_outcomes, single_outcomes, protocol)
    for sample_id in samples:
        mine = [pool_id for pool_id, pool in pools.items() if sample_id in pool["members"]]
        if sample_id in cleared:
            mine = [p for p in mine if not (is_designed(pools[p]) and feared(pool_outcomes[p]))]
        status = own_status(
            single_outcomes[sample_id], {p: pool_outcomes[p] for p in mine}, sample_id in doubtful, pools, protocol
        )
        own[sample_id] = status

    # 6: what recollected samples answer; 8: how sure it is; 7: what is asked for.
    children = recollected(samples, doubtful, own, past["orders"], findings)
    chances = probabilities(samples, children, pools, looks, unusable, doubtful, protocol)
    for sample_id in samples:
        own[sample_id]["probability"] = chances[sample_id]
    final = {sample_id: final_result(sample_id, own, children, samples, protocol, at) for sample_id in samples}
    issued, opened = orders_of(own, final, past["orders"], protocol, at)

    # 10: what else does not add up; 11: conservation.
    not_received(tubes, pools, wells, specimens, final, findings)
    on_two_plates(wells, specimens, looks, findings)
    overloads([*known.values(), *new.values()], wells, protocol, findings)
    past_due(opened, at, findings)
    discordant(pool_outcomes, pools, final, findings)
    conserve(samples, own, final, opened)

    results = [
        {
            "sample_id": sample_id,
            "subject_id": samples[sample_id]["subject_id"],
            "status": result["status"],
            "probability": result["probability"],
            "evidence": result["evidence"],
            "protocol": f"{protocol['name']}@{protocol['version']}",
            "decided_at": result["decided_at"],
        }
        for sample_id, result in final.items()
    ]
    pool_rows, member_rows = pool_tables(tubes, pools)
    return {
        "pools": pool_rows,
        "members": member_rows,
        "calls": made,
        "results": results,
        "orders": issued,
        "findings": findings,
        "runs": runs_to_keep(new, made, made_up=day.get("runs") is None),
    }


def note(findings, kind, severity, *ids):
    """Add a finding, once."""
    finding = {"kind": kind, "severity": severity, "ids": list(ids), "message": ""}
    if finding not in findings:
        findings.append(finding)


def same(one, other, columns):
    return all(one.get(column) == other.get(column) for column in columns)


# Section 1: names


def moment(day, past, at):
    """Give `at`: by default the latest time found (a due date is a plan, it was not found)."""
    if at is not None:
        return at
    if day.get("runs") is None and day["readings"]:
        raise ValueError("a day with readings but no runs table needs `at`")
    times = [row["collected_at"] for row in past["samples"] + day["samples"]]
    for run in past["runs"] + (day.get("runs") or []):
        times += [run["started_at"], run["ended_at"]]
    times += [order["issued_at"] for order in past["orders"]]
    if not times:
        raise ValueError("no time in the day or its history: `at` is needed")
    return max(times)


def registrations(past, given):
    """Join history's rows and the day's; a row of the day that history has, unchanged, is ignored."""
    return past + [row for row in given if not any(same(row, old, SAMPLE) for old in past)]


def people(rows, findings):
    """Give the row that counts of each sample, and the samples whose identity is in doubt (section 9)."""
    samples = {}
    registered = {}
    for row in rows:
        samples.setdefault(row["sample_id"], row)
        registered.setdefault(row["sample_id"], []).append((row["subject_id"], row["tube_id"]))
    doubtful = set()
    for sample_id, pairs in registered.items():
        subjects = sorted({subject for subject, _ in pairs})
        tubes = sorted({tube for _, tube in pairs})
        if len(subjects) > 1:
            doubtful.add(sample_id)
            note(findings, "duplicate_sample", "error", sample_id, *subjects)
            continue
        if len(pairs) > len(set(pairs)):
            note(findings, "duplicate_sample", "warning", sample_id, *subjects)
        if len(tubes) > 1:
            note(findings, "sample_in_two_tubes", "error", sample_id, *tubes)
    return samples, doubtful


def tubes_of(rows, findings):
    """Give each tube's samples and their slots, tubes in order of first appearance."""
    tubes = {}
    for row in rows:
        tubes.setdefault(row["tube_id"], {}).setdefault(row["sample_id"], row["slot"])
    for tube_id, slots in tubes.items():
        for slot in sorted(set(slots.values())):
            there = sorted(sample_id for sample_id, its in slots.items() if its == slot)
            if len(there) > 1:
                note(findings, "slot_twice", "error", tube_id, *there)
    return tubes


def pools_of(tubes, samples, past, day, findings):
    """Give the pools: shared tubes, then laboratory pools."""
    pools = {
        tube_id: {"formed": "collection", "stage": 1, "said": len(slots), "members": dict.fromkeys(slots)}
        for tube_id, slots in tubes.items()
        if len(slots) > 1
    }
    pool_rows, member_rows = laboratory_rows(past, day, findings)
    for pool_id, row in pool_rows.items():
        if pool_id in tubes:
            raise ValueError(f"pool_id {pool_id} is also a tube_id")
        pools[pool_id] = {
            "formed": "laboratory",
            "stage": row["stage"],
            "said": row["n_members"],
            "members": {},
            "design": row.get("design"),
            "block_id": row.get("block_id"),
        }
    for row in member_rows:
        if row["pool_id"] in pool_rows and row["sample_id"] in samples:
            pools[row["pool_id"]]["members"][row["sample_id"]] = row
        else:
            note(findings, "unknown_member", "error", row["pool_id"], row["sample_id"])
    return pools


def laboratory_rows(past, day, findings):
    """Give the laboratory's rows of `pools` and `members`; of a pool that history has, history's stand."""
    before = {row["pool_id"]: row for row in past["pools"] if row["formed"] == "laboratory"}
    pools = dict(before)
    elsewhere = {row["pool_id"] for row in past["pools"] + day["pools"] if row["formed"] != "laboratory"}
    for row in day["pools"]:
        if row["pool_id"] in before:
            if not same(row, before[row["pool_id"]], POOL):
                note(findings, "changed_pool", "error", row["pool_id"])
        elif row["formed"] == "laboratory":
            pools[row["pool_id"]] = row
    members = {(row["pool_id"], row["sample_id"]): row for row in past["members"]}
    for row in day["members"]:
        key = (row["pool_id"], row["sample_id"])
        if key in members:
            if not same(row, members[key], MEMBER):
                note(findings, "changed_pool", "error", row["pool_id"])
        elif row["pool_id"] in before:
            note(findings, "changed_pool", "error", row["pool_id"])
        else:
            members[key] = row
    return pools, [row for row in members.values() if row["pool_id"] in pools or row["pool_id"] not in elsewhere]


def wells_of(past, given, findings):
    wells = {(row["plate_id"], row["well"]): row for row in past}
    for row in given:
        key = (row["plate_id"], row["well"])
        if not same(row, wells.setdefault(key, row), WELL):
            note(findings, "changed_well", "error", *key)
    return wells


def named(wells, calls):
    """Give every specimen_id that a well or a call of history names."""
    in_wells = [row["specimen_id"] for row in wells.values() if row["content"] == "specimen"]
    return dict.fromkeys(in_wells + [call["specimen_id"] for call in calls])


def look_up(specimen_id, pools, tubes, samples):
    """Give what a specimen_id means: laboratory pool, then tube, then sample; a tube of one sample is that sample."""
    if specimen_id in pools:
        return ("pool", specimen_id)
    if specimen_id in tubes:
        (only,) = tubes[specimen_id]
        return ("single", only)
    if specimen_id in samples:
        return ("single", specimen_id)
    return None


def unknown_specimens(wells, specimens, findings):
    for (plate_id, well), row in wells.items():
        if row["content"] == "specimen" and specimens[row["specimen_id"]] is None:
            note(findings, "unknown_specimen", "error", row["specimen_id"], f"{plate_id}/{well}")


# Section 2: which readings count


def runs_of(day, past, at, findings):
    """Give history's runs, the day's new accepted runs, and the run_ids whose readings are not used."""
    known = {run["run_id"]: run for run in past["runs"]}
    new, not_used = {}, set()
    if day.get("runs") is None:
        for reading in day["readings"]:
            plate_id = reading["run_id"]
            if plate_id not in known:
                new[plate_id] = dict.fromkeys(RUN) | {
                    "run_id": plate_id,
                    "plate_id": plate_id,
                    "instrument_id": UNKNOWN_INSTRUMENT,
                    "started_at": at,
                    "ended_at": at,
                }
        return known, new, not_used
    for run in day["runs"]:
        run_id = run["run_id"]
        if run_id in known:
            if not same(run, known[run_id], RUN):
                note(findings, "changed_run", "error", run_id)
                not_used.add(run_id)
        elif run["ended_at"] > at:
            note(findings, "result_before_run_end", "error", run_id)
            not_used.add(run_id)
        else:
            new[run_id] = run
    return known, new, not_used


def runs_to_keep(new, made, *, made_up):
    """Give the runs of the outcome; one that was made up and said nothing never was."""
    called = {call["run_id"] for call in made}
    return [run for run in new.values() if not made_up or run["run_id"] in called]


def calls_of_day(readings, known, new, not_used, past_calls, wells, protocol, findings):
    """Give the calls of the day's readings; a run whose calls history has is only compared with them."""
    of_run = {}
    for reading in readings:
        run_id = reading["run_id"]
        if run_id in not_used:
            continue
        if run_id not in known and run_id not in new:
            note(findings, "well_not_mapped", "error", run_id, reading["well"])
            continue
        of_run.setdefault(run_id, []).append(reading)
    called = {call["run_id"] for call in past_calls}
    made = []
    for run_id, run in {**known, **new}.items():
        if run_id not in of_run:
            continue
        if run_id not in called:
            used = used_readings(of_run[run_id], run, wells, protocol, findings)
            made += calls_of_run(run, used, wells, protocol, findings)
            continue
        again = calls_of_run(run, used_readings(of_run[run_id], run, wells, protocol, []), wells, protocol, [])
        before = [call for call in past_calls if call["run_id"] == run_id]
        if told(again) != told(before):
            note(findings, "changed_run", "error", run_id)
    return made


def told(calls):
    return {(call["well"], call["specimen_id"], call["call"], tuple(call["reasons"])) for call in calls}


def used_readings(readings, run, wells, protocol, findings):
    """Give well -> target -> every Ct read there, of the readings that count."""
    targets = (*protocol["targets"], protocol["internal_control"])
    used = {}
    for reading in readings:
        well = wells.get((run["plate_id"], reading["well"]))
        if well is None or well["content"] == "empty":
            note(findings, "well_not_mapped", "error", run["run_id"], reading["well"])
        elif reading["target"] not in targets:
            note(findings, "unknown_target", "warning", reading["target"])
        else:
            of_well = used.setdefault(reading["well"], {})
            of_well.setdefault(reading["target"], []).append(reading["ct_cycles"])
    for well, of_well in used.items():
        for target, cts in of_well.items():
            if len(cts) > 1:
                severity = "warning" if len(set(cts)) == 1 else "error"
                note(findings, "duplicate_reading", severity, run["run_id"], well, target)
    return used


# Section 3: calls


def judge(cts, protocol):
    """Give what one target of one well says (3.1)."""
    if not cts:
        return "missing"
    if len(set(cts)) > 1:
        return "conflicting"
    ct = cts[0]
    if ct is None or ct > protocol["ct_limit"]:
        return "absent"
    return "detected" if ct < protocol["ct_positive"] else "grey"


def plate_fails(plate, used, protocol):
    """Say whether the controls of a plate fail it (3.2); `plate` is its wells, well name -> row."""
    for content, control in protocol["controls"].items():
        if sum(row["content"] == content for row in plate.values()) < control["minimum"]:
            return True
    for well, row in plate.items():
        for target in protocol["targets"]:
            cts = used.get(well, {}).get(target, [])
            says = judge(cts, protocol)
            if row["content"] in ("negative_control", "blank") and says != "absent":
                return True
            if row["content"] in ("positive_control", "weak_positive_control"):
                windows = protocol["controls"].get(row["content"], {}).get("windows", {})
                low, high = windows.get(target, (None, None))
                if says != "detected" or (low is not None and not low <= cts[0] <= high):
                    return True
    return False


def call_of(of_well, protocol):
    """Give the call of one specimen well of a run that did not fail, and its reasons (3.3)."""
    internal = protocol["internal_control"]
    says = {target: judge(of_well.get(target), protocol) for target in protocol["targets"]}
    words = list(says.values())
    internal_cts = of_well.get(internal)
    if "conflicting" in words or (internal is not None and judge(internal_cts, protocol) == "conflicting"):
        return "invalid", ["conflicting_readings"]
    if words.count("detected") >= protocol["targets_for_positive"]:
        return "positive", []
    if "detected" in words or "grey" in words:
        reasons = {"single_target": "detected", "grey": "grey"}
        return "suspect", [reason for reason, word in reasons.items() if word in words]
    if "missing" in words:
        return "invalid", ["target_missing"]
    if internal is not None and (
        not internal_cts or internal_cts[0] is None or internal_cts[0] > protocol["ct_internal"]
    ):
        return "invalid", ["internal_control"]
    return "negative", []


def calls_of_run(run, used, wells, protocol, findings):
    """Give one call for each specimen well with a used reading."""
    plate = {well: row for (plate_id, well), row in wells.items() if plate_id == run["plate_id"]}
    if not used:
        return []
    fails = plate_fails(plate, used, protocol)
    if fails:
        note(findings, "plate_controls", "warning", run["run_id"])
    calls = []
    for well, row in plate.items():
        if row["content"] == "specimen" and well in used:
            call, reasons = ("invalid", ["plate_controls"]) if fails else call_of(used[well], protocol)
            calls.append(
                {
                    "run_id": run["run_id"],
                    "well": well,
                    "plate_id": run["plate_id"],
                    "specimen_id": row["specimen_id"],
                    "call": call,
                    "reasons": reasons,
                }
            )
    return calls


def wells_not_read(wells, calls, runs, findings):
    """Note each specimen well that no run has given a call."""
    read = {(runs[call["run_id"]]["plate_id"], call["well"]) for call in calls}
    for (plate_id, well), row in wells.items():
        if row["content"] == "specimen" and (plate_id, well) not in read:
            note(findings, "well_not_read", "warning", plate_id, well, row["specimen_id"])


# Section 4: what is known of a specimen


def looks_of(calls, specimens, runs, pools, samples, findings):
    """Give each specimen's looks in order of time; calls that ended before its swabs were taken are withheld."""
    at_time = {}
    for call in calls:
        specimen = specimens[call["specimen_id"]]
        if specimen is None:
            continue
        what, its_id = specimen
        members = pools[its_id]["members"] if what == "pool" else [its_id]
        ended_at = runs[call["run_id"]]["ended_at"]
        if any(ended_at < samples[sample_id]["collected_at"] for sample_id in members):
            note(findings, "collected_after_run", "error", call["specimen_id"], call["run_id"])
        else:
            at_time.setdefault(specimen, {}).setdefault(ended_at, []).append(call)
    looks = {}
    for specimen, moments in at_time.items():
        looks[specimen] = []
        for ended_at, together in sorted(moments.items()):
            words = [call["call"] for call in together]
            worst = next(word for word in ("positive", "suspect", "negative", "invalid") if word in words)
            run_id, well, specimen_id = min(
                (call["run_id"], call["well"], call["specimen_id"]) for call in together if call["call"] == worst
            )
            evidence = f"{specimen_id}/{run_id}/{well}"
            looks[specimen].append({"ended_at": ended_at, "call": worst, "evidence": evidence})
    return looks


def usable(pool_id, pools, tubes, samples, protocol, findings):
    """Say whether a negative of the pool clears anyone."""
    pool = pools[pool_id]
    members = pool["members"]
    too_large = max(len(members), pool["said"]) > protocol["max_pool_size"]
    two_kinds = len({samples[sample_id]["kind"] for sample_id in members}) > 1
    shared = {sample_id for slots in tubes.values() if len(slots) > 1 for sample_id in slots}
    again = sorted(set(members) & shared) if pool["formed"] == "laboratory" else []
    if too_large:
        note(findings, "tube_over_size", "error", pool_id)
    if two_kinds:
        note(findings, "mixed_kinds", "error", pool_id)
    if again:
        note(findings, "repooled", "error", pool_id, *again)
    return not (too_large or two_kinds or again)


def pool_outcome(looks, is_unusable, protocol):
    """Give what is known of a pool: `word`, the `look` it rests on, the `last` look of any kind."""
    outcome = {"word": "unread", "look": None, "last": looks[-1] if looks else None, "unusable": False}
    reactive = [look for look in looks if look["call"] in ("positive", "suspect")]
    negative = [look for look in looks if look["call"] == "negative"]
    if reactive:
        return outcome | {"word": reactive[-1]["call"], "look": reactive[-1]}
    if negative and is_unusable:
        return outcome | {"word": "invalid exhausted", "look": negative[-1], "unusable": True}
    if negative:
        return outcome | {"word": "negative", "look": negative[-1]}
    return outcome | only_invalid(looks, protocol)


def single_outcome(looks, protocol):
    """Give what is known of a sample tested alone."""
    valid = [look for look in looks if look["call"] != "invalid"]
    if not valid:
        return {"word": "unread", "look": None} | only_invalid(looks, protocol)
    latest = valid[-1]
    if latest["call"] == "suspect" and any(look["call"] == "suspect" for look in valid[:-1]):
        return {"word": "second suspect", "look": latest}
    return {"word": latest["call"], "look": latest}


def only_invalid(looks, protocol):
    if not looks:
        return {}
    exhausted = len(looks) > protocol["invalid_reruns"]
    return {"word": "invalid exhausted" if exhausted else "invalid", "look": looks[-1]}


# Section 5: a sample's own status


def own_status(single, mine, in_doubt, pools, protocol):
    """Give a sample's own status, the action it asks for, the reason and the look that decided.

    `mine` is the outcome of each of the sample's pools, in table order.
    """
    if single["word"] == "positive":
        own = stands("positive", None, "", single["look"])
    elif single["word"] == "second suspect":
        if protocol["second_suspect"] == "positive":
            own = stands("positive", None, "", single["look"])
        else:
            own = stands("suspect", "recollect", "suspect_single", single["look"])
    elif single["word"] == "suspect":
        own = stands("suspect", "retest", "suspect_single", single["look"])
    elif single["word"] == "negative" and all(
        pool["word"] in ("negative", "unread") or pool["last"]["ended_at"] < single["look"]["ended_at"]
        for pool in mine.values()
    ):
        own = stands("negative", None, "", single["look"])
    elif mine:
        own = status_by_pool(single, mine, pools, protocol)
    else:
        own = status_alone(single)
    if in_doubt:
        status = "suspect" if own["status"] in ("positive", "suspect") else "invalid"
        own = stands(status, "recollect", "identity", None)
    return own


def is_designed(pool):
    return pool.get("design") is not None


def feared(outcome):
    return outcome["word"] in ("positive", "suspect", "invalid exhausted")


def cleared_by_design(samples, pools, outcomes, singles, protocol):
    """Give the samples that their designed pools clear (5.0)."""
    needed = protocol["negatives_to_clear"]
    counted = set()
    for sample_id in samples:
        mine = {p: pool["stage"] for p, pool in pools.items() if sample_id in pool["members"] and is_designed(pool)}
        negative = [p for p in mine if outcomes[p]["word"] == "negative"]
        reactive = [p for p in mine if outcomes[p]["word"] in ("positive", "suspect")]
        if not negative or needed == 0:
            continue
        stage = max(mine[p] for p in negative)
        if any(mine[p] > stage for p in reactive):
            continue
        there = [p for p in mine if mine[p] == stage]
        if len([p for p in there if p in negative]) >= min(needed, len(there)):
            counted.add(sample_id)
    contradicted = [
        pool_id
        for pool_id, pool in pools.items()
        if is_designed(pool)
        and outcomes[pool_id]["word"] in ("positive", "suspect")
        and all(s in counted and singles[s]["word"] not in ("positive", "second suspect") for s in pool["members"])
    ]
    return {sample_id for sample_id in counted if not any(sample_id in pools[p]["members"] for p in contradicted)}


def stands(status, action, reason, look):
    return {"status": status, "action": action, "reason": reason, "look": look}


def status_by_pool(single, mine, pools, protocol):
    """Rule 5.3: the most serious outcome among the sample's pools speaks."""
    order = ("negative", "unread", "invalid", "invalid exhausted", "suspect", "positive")

    def seriousness(pool_id):
        look = mine[pool_id]["look"]
        return order.index(mine[pool_id]["word"]), look["ended_at"] if look else BEFORE_ALL

    pool_id = max(mine, key=seriousness)
    outcome = mine[pool_id]
    word, look = outcome["word"], outcome["look"]
    if word in ("negative", "unread"):
        return stands("negative" if word == "negative" else "pending", None, "", look)
    if word == "invalid":
        return stands("pending", "rerun", "invalid_pool", look)
    again = pools[pool_id]["formed"] == "collection" and protocol["positive_pool"] == "recollect"
    action = "recollect" if again else "retest"
    if word == "invalid exhausted":
        status = protocol["exhausted_pool"]
        reason = "unusable_pool" if outcome["unusable"] else "invalid_pool"
    else:
        status, reason = "suspect", f"{word}_pool"
    if action == "retest" and single["word"] == "invalid":
        action, reason = "rerun", "invalid_single"
    elif action == "retest" and single["word"] == "invalid exhausted":
        action, reason = "recollect", "invalid_single"
    return stands(status, action, reason, look)


def status_alone(single):
    """Rule 5.4: a sample without a pool whose single is invalid or unread."""
    if single["word"] == "invalid":
        return stands("pending", "rerun", "invalid_single", single["look"])
    if single["word"] == "invalid exhausted":
        return stands("invalid", "recollect", "invalid_single", single["look"])
    return stands("pending", None, "", None)


# Section 6: recollected samples


def recollected(samples, doubtful, own, past_orders, findings):
    """Give each parent's children by valid links."""
    children = {sample_id: [] for sample_id in samples}
    for child_id, child in samples.items():
        parent_id = child.get("recollect_of")
        if parent_id is None:
            continue
        parent = samples.get(parent_id)
        if (
            parent is None
            or parent["subject_id"] != child["subject_id"]
            or {child_id, parent_id} & doubtful
            or not parent["collected_at"] < child["collected_at"]
        ):
            note(findings, "recollect_mismatch", "error", child_id, parent_id)
            continue
        children[parent_id].append(child_id)
        asked = any(order["sample_id"] == parent_id and order["action"] == "recollect" for order in past_orders)
        if own[parent_id]["action"] != "recollect" and not asked:
            note(findings, "recollect_without_order", "warning", child_id, parent_id)
    return children


def final_result(sample_id, own, children, samples, protocol, at):
    """Give a sample's final result; `answered` names the sample that it rests on."""
    mine = own[sample_id]
    look = mine["look"]
    result = {
        "status": mine["status"],
        "probability": mine["probability"],
        "evidence": look["evidence"] if look else None,
        "decided_at": look["ended_at"] if look else at,
        "answered": sample_id,
    }
    if mine["status"] in SETTLED:
        return result
    answers = [final_result(child, own, children, samples, protocol, at) for child in children[sample_id]]
    answers = [answer for answer in answers if answer["status"] in SETTLED]
    answers.sort(key=lambda answer: (samples[answer["answered"]]["collected_at"], answer["answered"]), reverse=True)
    wanted = protocol["swabs_per_recollect"]
    newest = answers[:wanted]
    positive = [answer for answer in newest if answer["status"] == "positive"]
    if positive:
        return positive[0]
    if len(newest) == wanted:
        return newest[0]
    return result


# Section 7: orders


def orders_of(own, final, past_orders, protocol, at):
    """Give the orders issued now, and the open order of each sample that has one."""
    issued, opened = [], {}
    for sample_id, mine in own.items():
        if final[sample_id]["status"] in SETTLED:
            continue
        earlier = [order for order in past_orders if order["sample_id"] == sample_id]
        latest = max(earlier, key=lambda order: int(order["order_id"].rsplit("/", 1)[1]), default=None)
        action = mine["action"]
        if action is not None and (latest is None or latest["action"] != action):
            latest = {
                "order_id": f"{sample_id}/{action}/{1 + len(earlier)}",
                "sample_id": sample_id,
                "action": action,
                "reason": mine["reason"],
                "issued_at": at,
                "due_at": at + timedelta(hours=protocol["due_hours"][action]),
            }
            issued.append(latest)
        if latest is not None:
            opened[sample_id] = latest
    return issued, opened


# Section 8: probability


def sensitivity(size, protocol):
    """Give Se(n): piecewise linear between the protocol's points, constant outside them."""
    points = sorted(tuple(point) for point in protocol["sensitivity"])
    if size <= points[0][0]:
        return points[0][1]
    for (low, at_low), (high, at_high) in pairwise(points):
        if size <= high:
            return at_low + (at_high - at_low) * (size - low) / (high - low)
    return points[-1][1]


def counts(looks):
    """Give how many looks were reactive and how many negative; an invalid one says nothing."""
    words = [look["call"] for look in looks]
    return words.count("positive") + words.count("suspect"), words.count("negative")


def chance_of_looks(infected, size, looks, protocol):
    """Give the probability of such looks at a specimen of `size` samples, given whether any is infected."""
    reactive, negative = counts(looks)
    chance = sensitivity(size, protocol) if infected else 1 - protocol["specificity"]
    return chance**reactive * (1 - chance) ** negative


def posterior(sample_id, members, pool_looks, single_looks, priors, protocol):
    """Add up every truth that the members can have; `single_looks` is sample -> looks. None if no truth is possible."""
    infected_here = everywhere = 0.0
    for truth in product((False, True), repeat=len(members)):
        weight = chance_of_looks(any(truth), len(members), pool_looks, protocol)
        for member, infected in zip(members, truth, strict=True):
            weight *= priors[member] if infected else 1 - priors[member]
            weight *= chance_of_looks(infected, 1, single_looks.get(member, []), protocol)
        everywhere += weight
        if truth[members.index(sample_id)]:
            infected_here += weight
    return infected_here / everywhere if everywhere > 0 else None


def probabilities(samples, children, pools, looks, unusable, doubtful, protocol):
    """Give each sample's posterior; a swab taken again begins where what was known of the person ended."""
    mine = {sample_id: [p for p, pool in pools.items() if sample_id in pool["members"]] for sample_id in samples}
    priors = dict.fromkeys(samples, protocol["prior_prevalence"])
    waiting = {child: parent for parent, taken_again in children.items() for child in taken_again}
    while True:
        chances = {
            sample_id: probability(sample_id, mine[sample_id], pools, looks, unusable, doubtful, priors, protocol)
            for sample_id in samples
        }
        if not waiting:
            return chances
        ready = {child: parent for child, parent in waiting.items() if parent not in waiting}
        for child, parent in ready.items():
            priors[child] = priors[parent] if chances[parent] is None else chances[parent]
            del waiting[child]


def probability(sample_id, mine, pools, looks, unusable, doubtful, priors, protocol):
    """Give the posterior probability that a sample is infected, or None where the page gives none."""
    if sample_id not in doubtful and mine and all(is_designed(pools[p]) and p not in unusable for p in mine):
        return by_block(sample_id, mine, pools, looks, unusable, priors, protocol)
    pool_id = mine[0] if mine else None
    if sample_id in doubtful or len(mine) > 1 or pool_id in unusable:
        return None
    pool_looks = looks.get(("pool", pool_id), [])
    if not any(look["call"] != "invalid" for look in pool_looks + looks.get(("single", sample_id), [])):
        return None
    members = list(pools[pool_id]["members"]) if mine else [sample_id]
    single_looks = {member: looks.get(("single", member), []) for member in members}
    return posterior(sample_id, members, pool_looks, single_looks, priors, protocol)


def by_block(sample_id, mine, pools, looks, unusable, priors, protocol):
    """Give the posterior of a sample of designed pools: add up every truth of all samples that such pools tie to it."""

    def read(specimen):
        return [look for look in looks.get(specimen, []) if look["call"] != "invalid"]

    if not read(("single", sample_id)) and not any(read(("pool", p)) for p in mine):
        return None
    used = {p: list(pool["members"]) for p, pool in pools.items() if is_designed(pool) and p not in unusable}
    tied, before = {sample_id}, set()
    while tied != before:
        before = set(tied)
        tied |= {member for members in used.values() if tied & set(members) for member in members}
    its_pools = [p for p, members in used.items() if tied & set(members) and read(("pool", p))]
    # What nothing was read of is as likely as before, whatever the others are.
    asked = sorted({m for p in its_pools for m in used[p]} | {m for m in tied if read(("single", m))})
    infected_here = everywhere = 0.0
    for truth in product((False, True), repeat=len(asked)):
        so = dict(zip(asked, truth, strict=True))
        weight = 1.0
        for member, infected in so.items():
            weight *= priors[member] if infected else 1 - priors[member]
            weight *= chance_of_looks(infected, 1, looks.get(("single", member), []), protocol)
        for p in its_pools:
            infected = any(so[member] for member in used[p])
            weight *= chance_of_looks(infected, len(used[p]), looks[("pool", p)], protocol)
        everywhere += weight
        if so[sample_id]:
            infected_here += weight
    return infected_here / everywhere if everywhere > 0 else None


# Section 9 stands with the tables that it is about, in section 1 above.


# Section 10: other findings


def not_received(tubes, pools, wells, specimens, final, findings):
    """Note tubes and laboratory pools that nobody has put into a well."""
    in_wells = {specimens[row["specimen_id"]] for row in wells.values() if row["content"] == "specimen"}
    mixed = {sample_id for pool in pools.values() if pool["formed"] == "laboratory" for sample_id in pool["members"]}

    def unsettled(members):
        return any(final[sample_id]["status"] not in SETTLED for sample_id in members)

    for tube_id, slots in tubes.items():
        its = ("pool", tube_id) if tube_id in pools else ("single", next(iter(slots)))
        if its not in in_wells and not mixed & set(slots) and unsettled(slots):
            note(findings, "tube_not_received", "warning", tube_id)
    for pool_id, pool in pools.items():
        if pool["formed"] == "laboratory" and ("pool", pool_id) not in in_wells and unsettled(pool["members"]):
            note(findings, "tube_not_received", "warning", pool_id)


def on_two_plates(wells, specimens, looks, findings):
    """Note specimens on more plates than their looks asked for."""
    plates = {}
    for (plate_id, _), row in wells.items():
        if row["content"] == "specimen" and specimens[row["specimen_id"]] is not None:
            plates.setdefault(specimens[row["specimen_id"]], set()).add(plate_id)
    for specimen, where in plates.items():
        what, its_id = specimen
        words = [look["call"] for look in looks.get(specimen, [])]
        asked = words.count("invalid") + (words.count("suspect") if what == "single" else 0)
        if len(where) > 1 + asked:
            note(findings, "tube_on_two_plates", "warning", its_id, *sorted(where))


def overloads(runs, wells, protocol, findings):
    """Note instruments that read more wells in an hour than they can."""
    for run in runs:
        instrument_id = run["instrument_id"]
        if instrument_id == UNKNOWN_INSTRUMENT:
            continue
        read = 0
        for other in runs:
            together = run["ended_at"] - timedelta(hours=1) < other["ended_at"] <= run["ended_at"]
            if other["instrument_id"] == instrument_id and together:
                read += sum(
                    plate_id == other["plate_id"] and row["content"] != "empty" for (plate_id, _), row in wells.items()
                )
        if read > protocol["wells_per_instrument_hour"]:
            note(findings, "instrument_overload", "warning", instrument_id)


def past_due(opened, at, findings):
    for sample_id, order in opened.items():
        if order["due_at"] < at:
            note(findings, "order_past_due", "warning", order["order_id"], sample_id)


def discordant(pool_outcomes, pools, final, findings):
    for pool_id, outcome in pool_outcomes.items():
        members = pools[pool_id]["members"]
        if outcome["word"] == "positive" and members and all(final[m]["status"] == "negative" for m in members):
            note(findings, "discordant_pool", "warning", pool_id)


# Section 11: conservation


def conserve(samples, own, final, opened):
    """Check what must hold after every computation."""
    statuses = [final[sample_id]["status"] for sample_id in samples]
    assert all(status in (*SETTLED, "suspect", "invalid", "pending") for status in statuses), statuses
    for sample_id, result in final.items():
        if result["status"] in ("suspect", "invalid"):
            assert sample_id in opened, f"{sample_id} is {result['status']} without an open order"
        if result["status"] == "pending":
            assert sample_id in opened or own[sample_id]["action"] is None, f"{sample_id} is pending for nothing"
        if result["status"] == "negative":
            assert result["evidence"] is not None, f"{sample_id} is negative without evidence"


def pool_tables(tubes, pools):
    """Give the tables `pools` and `members`: tubes in order of first appearance, then laboratory pools."""
    pool_rows, member_rows = [], []
    for tube_id, slots in tubes.items():
        formed = "collection" if len(slots) > 1 else "single"
        row = {"pool_id": tube_id, "formed": formed, "n_members": len(slots), "stage": 1}
        pool_rows.append(row | {"design": None, "block_id": None})
        for sample_id, slot in slots.items():
            member_rows.append({"pool_id": tube_id, "sample_id": sample_id, "slot": slot, "volume_ul": None})
    for pool_id, pool in pools.items():
        if pool["formed"] == "laboratory":
            pool_rows.append(
                {
                    "pool_id": pool_id,
                    "formed": "laboratory",
                    "n_members": len(pool["members"]),
                    "stage": pool["stage"],
                    "design": pool["design"],
                    "block_id": pool["block_id"],
                }
            )
            member_rows += [{column: row.get(column) for column in MEMBER} for row in pool["members"].values()]
    return pool_rows, member_rows


# The store's part: what the next day will find


def continue_history(history, day, outcome):
    """Give the history of the next day: everything before, this day's tables and what this day came to.

    Of samples one row for each (sample, subject, tube), so that a doubt of today is still a doubt tomorrow. A run that
    was not accepted is not kept, nor its readings: the laboratory hands both in again.
    """
    after = {name: list((history or {}).get(name) or []) for name in HISTORY}
    before = {row["pool_id"] for row in after["pools"]}
    laboratory = {row["pool_id"] for row in day["pools"] if row["formed"] == "laboratory"}
    elsewhere = {row["pool_id"] for row in day["pools"]} - laboratory
    members = [row for row in day["members"] if row["pool_id"] not in before | elsewhere]
    add(after["samples"], day["samples"], ("sample_id", "subject_id", "tube_id"))
    add(after["pools"], [row for row in day["pools"] if row["formed"] == "laboratory"], ("pool_id",))
    add(after["members"], members, ("pool_id", "sample_id"))
    add(after["wells"], day["wells"], ("plate_id", "well"))
    after["runs"] += outcome["runs"]
    after["calls"] += outcome["calls"]
    after["orders"] += outcome["orders"]
    return after


def add(rows, more, key):
    """Add the rows whose key is not there yet."""
    for row in more:
        if not any(same(row, old, key) for old in rows):
            rows.append(row)
