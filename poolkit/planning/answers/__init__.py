"""A planner's questions and their answers, each with what it supposes."""

from poolkit.planning.answers.allocate import Allocation, allocate, allocation, plot_allocation
from poolkit.planning.answers.assumptions import Assumption, assumptions
from poolkit.planning.answers.demand import Demand
from poolkit.planning.answers.items import ITEMS, Item
from poolkit.planning.answers.one_more import one_more, plot_tornado, tornado
from poolkit.planning.answers.place import Placement, place
from poolkit.planning.answers.required import Required, plot_required, required
from poolkit.planning.answers.staff import Staff, staff
from poolkit.planning.answers.supplies import Supplies, plot_supplies, supplies
from poolkit.planning.answers.surge import ICMR_COMMUNITY_TO, ICMR_POOL_BELOW, Surge, plot_surge, surge
from poolkit.planning.answers.tradeoff import Tradeoff, plot_pool_size_tradeoff, pool_size_tradeoff
from poolkit.planning.answers.verify import Verified, line_of, verify_required

__all__ = [
    "ICMR_COMMUNITY_TO",
    "ICMR_POOL_BELOW",
    "ITEMS",
    "Allocation",
    "Assumption",
    "Demand",
    "Item",
    "Placement",
    "Required",
    "Staff",
    "Supplies",
    "Surge",
    "Tradeoff",
    "Verified",
    "allocate",
    "allocation",
    "assumptions",
    "line_of",
    "one_more",
    "place",
    "plot_allocation",
    "plot_pool_size_tradeoff",
    "plot_required",
    "plot_supplies",
    "plot_surge",
    "plot_tornado",
    "pool_size_tradeoff",
    "required",
    "staff",
    "supplies",
    "surge",
    "tornado",
    "verify_required",
]
