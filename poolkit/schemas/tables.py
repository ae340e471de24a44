"""The tables between stages, between poolkit and the laboratory, and between releases.

A change here is a new schema version and a line in the changelog.
"""

import pyarrow as pa

from poolkit.schemas.model import column, table

SCHEMA_VERSION = 3

TIME = pa.timestamp("us", tz="UTC")
TEXT = pa.string()

KINDS = ("person", "food", "packaging", "environment")
FORMED = ("collection", "laboratory", "single")
CONTENTS = ("specimen", "negative_control", "positive_control", "weak_positive_control", "blank", "empty")
CALLS_MADE = ("negative", "positive", "suspect", "invalid")
STATUSES = ("negative", "positive", "suspect", "invalid", "pending")
SETTLED = ("negative", "positive")
ACTIONS = ("recollect", "retest", "rerun")
SEVERITIES = ("info", "warning", "error")
# The line of a swab, in its order.
CUSTODY_EVENTS = ("collected", "boxed", "courier", "received", "plated", "read", "called", "reported")
FINDING_KINDS = (
    "changed_custody",
    "changed_pool",
    "changed_run",
    "changed_well",
    "collected_after_run",
    "custody_gap",
    "custody_order",
    "discordant_pool",
    "duplicate_reading",
    "duplicate_sample",
    "in_two_stores",
    "instrument_overload",
    "leg_late",
    "mixed_kinds",
    "no_raw_file",
    "order_past_due",
    "plate_controls",
    "recollect_mismatch",
    "recollect_without_order",
    "repooled",
    "report_without_well",
    "result_before_run_end",
    "sample_in_two_tubes",
    "sign_off_missing",
    "slot_twice",
    "tube_not_received",
    "tube_on_two_plates",
    "tube_over_size",
    "unknown_member",
    "unknown_specimen",
    "unknown_target",
    "well_not_mapped",
    "well_not_read",
)

# No thermal cycling programme in use runs more than 50 cycles (instrument exports in the reference data: 40 to 50).
CT_MAX_CYCLES = 60.0

# Plates of 96 (A to H, 01 to 12) and 384 wells (A to P, 01 to 24).
_WELL = "[A-P](0[1-9]|1[0-9]|2[0-4])"

SAMPLES = table(
    "samples",
    "One swab (or item) taken.",
    column("sample_id", TEXT, "Barcode of the swab or registration."),
    column("subject_id", TEXT, "Who or what was sampled, a pseudonym; never a name or an identity number in clear."),
    column("site_id", TEXT, "Collection point."),
    column("collected_at", TIME, "When the swab was taken; validity counts from here."),
    column("kind", TEXT, "What was swabbed.", vocabulary=KINDS),
    column("tube_id", TEXT, "Barcode of the tube it went into; shared when pooled at collection."),
    column("slot", pa.int16(), "Order in that tube, from 1.", minimum=1),
    column("group_id", TEXT, "Household, class or lot of goods: those who share a fate.", null=True),
    column("recollect_of", TEXT, "The sample this one was taken again for.", null=True),
    key=("sample_id",),
)

POOLS = table(
    "pools",
    "One tube, or one mixture made in the laboratory.",
    column("pool_id", TEXT, "Barcode of the tube or mixture."),
    column(
        "formed",
        TEXT,
        "Where it was formed: at collection, in the laboratory from single tubes (which are retained), or a single.",
        vocabulary=FORMED,
    ),
    column("n_members", pa.int16(), "Samples in it.", minimum=0),
    column("stage", pa.int8(), "1 for a first pass, 2 for what follows from it, and so on.", minimum=1),
    column("design", TEXT, "The design that laid it out, e.g. array-8x12; null where none did.", null=True),
    column("block_id", TEXT, "The block: samples that the design laid out together; null without one.", null=True),
    key=("pool_id",),
)

MEMBERS = table(
    "members",
    "Which sample is in which pool.",
    column("pool_id", TEXT, "The pool."),
    column("sample_id", TEXT, "The sample in it."),
    column("slot", pa.int16(), "Order in the pool, from 1.", minimum=1),
    column("volume_ul", pa.float64(), "Volume taken from the sample's tube.", unit="µL", null=True, minimum=0.0),
    key=("pool_id", "sample_id"),
)

WELLS = table(
    "wells",
    "What stands in each well of each plate.",
    column("plate_id", TEXT, "Barcode of the plate."),
    column("well", TEXT, "Row letter then two-digit column, A01 to H12 or P24.", pattern=_WELL),
    column("content", TEXT, "Specimen, control, blank or nothing.", vocabulary=CONTENTS),
    column("specimen_id", TEXT, "A pool_id, or a sample_id tested alone; null unless content is specimen.", null=True),
    key=("plate_id", "well"),
)

RUNS = table(
    "runs",
    "One plate through one instrument; a plate may be run again.",
    column("run_id", TEXT, "The run."),
    column("plate_id", TEXT, "The plate that was read."),
    column("instrument_id", TEXT, "The instrument that read it."),
    column("started_at", TIME, "Start of the run."),
    column("ended_at", TIME, "End of the run; no result is earlier."),
    column("operator_id", TEXT, "Who started it, a pseudonym.", null=True),
    column("extraction_lot", TEXT, "Lot of the extraction kit.", null=True),
    column("amplification_lot", TEXT, "Lot of the amplification kit.", null=True),
    column("source_file", TEXT, "Name of the file that the readings came from.", null=True),
    column("source_sha256", TEXT, "SHA-256 of that file, hexadecimal.", null=True),
    key=("run_id",),
)

READINGS = table(
    "readings",
    "What the instrument read: one target in one well in one run.",
    column("run_id", TEXT, "The run."),
    column("well", TEXT, "Row letter then two-digit column, e.g. A01.", pattern=_WELL),
    column("target", TEXT, "Assay target, e.g. ORF1ab, N or RNaseP."),
    column(
        "ct_cycles",
        pa.float64(),
        "Threshold cycle; null when no curve crossed.",
        unit="cycle",
        null=True,
        minimum=0.0,
        maximum=CT_MAX_CYCLES,
    ),
    key=("run_id", "well", "target"),
)

CALLS = table(
    "calls",
    "What one specimen well of one run says.",
    column("run_id", TEXT, "The run."),
    column("well", TEXT, "The well.", pattern=_WELL),
    column("plate_id", TEXT, "The plate."),
    column("specimen_id", TEXT, "What stands in the well."),
    column("call", TEXT, "The call.", vocabulary=CALLS_MADE),
    column("reasons", pa.list_(TEXT), "Why the call is suspect or invalid; empty otherwise."),
    key=("run_id", "well"),
)

RESULTS = table(
    "results",
    "What is known of each sample in one snapshot.",
    column("sample_id", TEXT, "The sample."),
    column("subject_id", TEXT, "Who or what was sampled, a pseudonym."),
    column("status", TEXT, "Where the sample stands.", vocabulary=STATUSES),
    column(
        "probability",
        pa.float64(),
        "Posterior probability that the sample is infected given all that was read; null when nothing was.",
        null=True,
        minimum=0.0,
        maximum=1.0,
    ),
    column(
        "evidence",
        TEXT,
        "specimen/run/well that decided, or the amendment that did; null when nothing was read.",
        null=True,
    ),
    column("protocol", TEXT, "name@version of the rules applied."),
    column("decided_at", TIME, "End of the deciding run; the moment of computation where there is none."),
    key=("sample_id",),
)

ORDERS = table(
    "orders",
    "What has to be done for a sample that is not settled.",
    column("order_id", TEXT, "sample/action/number."),
    column("sample_id", TEXT, "The sample."),
    column("action", TEXT, "Swab again, test the retained tube singly, or run the specimen again.", vocabulary=ACTIONS),
    column("reason", TEXT, "What asked for it."),
    column("issued_at", TIME, "When it was issued."),
    column("due_at", TIME, "When it is past due."),
    key=("order_id",),
)

CUSTODY = table(
    "custody",
    "Who had a tube or a box of tubes, where and when.",
    column("event", TEXT, "What happened to it.", vocabulary=CUSTODY_EVENTS),
    column("item_id", TEXT, "The tube, mixture or sample, or the box."),
    column("box_id", TEXT, "The box that the item went into, where it was boxed.", null=True),
    column("actor", TEXT, "Who did it, a pseudonym."),
    column("witness", TEXT, "Who signed beside the actor when it changed hands, a pseudonym.", null=True),
    column("place", TEXT, "Where."),
    column("at", TIME, "When."),
    column("temperature_c", pa.float64(), "Of the box or tube.", unit="°C", null=True, minimum=-200.0, maximum=100.0),
    key=("event", "item_id", "at"),
)

AMENDMENTS = table(
    "amendments",
    "What a person asked to have corrected; it counts when enough others have approved it.",
    column("amendment_id", TEXT, "amendment/sample/number."),
    column("sample_id", TEXT, "The sample."),
    column("status", TEXT, "Where it should stand.", vocabulary=STATUSES),
    column("reason", TEXT, "Why."),
    column("actor", TEXT, "Who asked for it, a pseudonym."),
    column("asked_at", TIME, "When."),
    column("approvals", pa.int16(), "How many other persons have to approve it.", minimum=0),
    key=("amendment_id",),
)

APPROVALS = table(
    "approvals",
    "Who agreed to an amendment.",
    column("amendment_id", TEXT, "The amendment."),
    column("actor", TEXT, "Who approved it, a pseudonym; never who asked for it."),
    column("approved_at", TIME, "When."),
    key=("amendment_id", "actor"),
)

RECALLS = table(
    "recalls",
    "Runs whose calls settle nothing any more, because what they rest on was recalled.",
    column("recall_id", TEXT, "recall/number."),
    column("run_id", TEXT, "The run."),
    column("reason", TEXT, "Why."),
    column("actor", TEXT, "Who recalled it, a pseudonym."),
    column("recalled_at", TIME, "When."),
    key=("recall_id", "run_id"),
)

FINDINGS = table(
    "findings",
    "What does not add up, for a person to look at.",
    column("kind", TEXT, "Which rule of reconciliation.", vocabulary=FINDING_KINDS),
    column("severity", TEXT, "error: a result may rest on it; warning: a person should look.", vocabulary=SEVERITIES),
    column("ids", pa.list_(TEXT), "The samples, tubes, plates, runs or wells concerned."),
    column("message", TEXT, "What was found and what was expected."),
)

TABLES = {
    each.name: each
    for each in (
        *(SAMPLES, POOLS, MEMBERS, WELLS, RUNS, READINGS, CALLS, RESULTS, ORDERS),
        *(CUSTODY, AMENDMENTS, APPROVALS, RECALLS, FINDINGS),
    )
}
