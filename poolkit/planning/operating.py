"""`characteristics`: what a design costs and how often it is right, before it is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from poolkit.assays import Assay
from poolkit.errors import DesignError, Problem
from poolkit.planning.accuracy import Assays, stages_of
from poolkit.planning.arrangement import ARRANGEMENTS, Arrange, arranged
from poolkit.planning.array_figures import of_rectangle
from poolkit.planning.figures import Drawing, Figures, Unmatched, predictive
from poolkit.planning.pool_figures import of_layout
from poolkit.planning.shapes import block_of, named, nested_of, rectangle_of
from poolkit.pooling.designs import Design, Layout

_EXACT: Mapping[str, float] = {}


@dataclass(frozen=True)
class Characteristics:
    """What a design costs and how often it is right.

    Attributes
    ----------
    design : str
        Its name, or ``pools`` for a layout.
    n_samples : int
        Samples of the block that all figures are of.
    expected_tests : float
        Tests of the block on average.
    stages : tuple of float
        Tests of each stage on average, samples alone last; they add up to `expected_tests`.
    sensitivity, specificity : float
        How likely an infected sample is called positive at the end, and one that is not is called negative; over all
        samples. Where nobody can be infected, the limit of ever rarer infections, and so where everybody is.
    ppv, npv : float
        How likely a sample called positive is infected, and one called negative is not; 1 where none is called so.
    exact : bool
        Whether all figures are computed rather than simulated.
    standard_errors : mapping
        Of what is simulated, by name; empty where exact.

    Examples
    --------
    >>> ten = characteristics("two-stage-10", prevalence=0.01, assay=Assay(0.95, 0.99))
    >>> round(ten.tests_per_sample, 6), round(ten.variance, 3)
    (0.199881, 8.99)
    >>> ten.distribution().round(4).to_dict("records")
    [{'tests': 1, 'probability': 0.9001}, {'tests': 11, 'probability': 0.0999}]
    """

    design: str
    n_samples: int
    expected_tests: float
    stages: tuple[float, ...]
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    exact: bool
    standard_errors: Mapping[str, float]
    _found: Figures = field(repr=False, compare=False)

    def __repr__(self) -> str:
        """Give the tests of a sample and how likely its result is right."""
        names = ("sensitivity", "specificity", "ppv", "npv")
        figures = ", ".join(f"{name}={getattr(self, name):.6g}" for name in ("tests_per_sample", *names))
        how = "exact" if self.exact else "simulated"
        return f"Characteristics({self.design!r}, {self.n_samples} samples, {how}: {figures})"

    @property
    def tests_per_sample(self) -> float:
        """Expected tests for each sample."""
        return self.expected_tests / self.n_samples

    @property
    def tests_per_correct(self) -> float:
        """Expected tests for each sample that is called rightly."""
        return self.expected_tests / self._found.n_correct()

    @property
    def least_sensitivity(self) -> float:
        """Sensitivity of the sample that is found least often."""
        return float(self._found.each()[0].min())

    @property
    def standard_error(self) -> float | None:
        """Standard error of the expected tests, None where they are exact."""
        return self.standard_errors.get("expected_tests")

    @property
    def variance(self) -> float | None:
        """Variance of the tests of the block, None where no formula is known and nothing was simulated."""
        return self._found.variance()

    @property
    def individuals(self) -> pd.DataFrame:
        """One row a sample, in the order given: its place, risk, sensitivity, specificity, ppv and npv."""
        found = self._found
        sensitivity, false = found.each()
        ppv, npv = predictive(found.risk, sensitivity, false)
        placed = pd.DataFrame(
            {
                "sample": found.sample,
                "place": np.arange(self.n_samples),
                "risk": found.risk,
                "sensitivity": np.minimum(sensitivity, 1.0),
                "specificity": np.maximum(1.0 - false, 0.0),
                "ppv": np.minimum(ppv, 1.0),
                "npv": np.minimum(npv, 1.0),
            }
        )
        return placed.sort_values("sample", ignore_index=True)

    def distribution(self) -> pd.DataFrame:
        """Return how likely the block takes each number of tests; what is below 1e-300 is left out."""
        likely = self._found.distribution()
        if likely is None:
            problem = Problem("design", f"the tests of {self.design} are not known as a whole, only their mean")
            raise DesignError("no distribution", [problem])
        tests = np.flatnonzero(likely > 1e-300)
        return pd.DataFrame({"tests": tests, "probability": likely[tests]})


def characteristics(
    design: str | Design | Layout | Any,
    *,
    prevalence: float | None = None,
    risks: ArrayLike | None = None,
    assay: Assays = None,
    columns: Assay | None = None,
    alone: Assay | None = None,
    arrange: Arrange = "given",
    unmatched: Unmatched | None = None,
    n_drawn: int = 20_000,
    seed: int = 0,
) -> Characteristics:
    """Return what a design costs and how often it is right when samples are infected each by itself.

    Parameters
    ----------
    design
        A name such as ``two-stage-10``, ``hierarchical-24-5-1``, ``array-8x12`` or ``array-10x10-master``, see
        `design_names`; a `Design`; or a `Layout`, such as one of `nested_pools`.
    prevalence
        Each sample is infected with this probability; the figures are those of one full block.
    risks
        Or: each sample has its own probability, in the order in which samples fill the design.
    assay
        How likely a specimen reacts: one for all, or one a stage, samples alone last; perfect where not given. Its
        sensitivity may depend on the size of a pool and on how many of it are infected.
    columns
        Of the columns of an array, where they are read otherwise than its rows.
    alone
        Of samples alone in whatever stage, where they are read otherwise than pools.
    arrange
        How samples of known risks are put into the design: ``given``, ``sorted`` (lowest risk first), and for arrays
        ``gradient`` and ``spiral`` (highest first), see `poolkit.planning.arrangement`.
    unmatched
        What becomes of the samples of a reactive pool when negative pools clear all of them: ``clear`` leaves it at
        that, ``lines`` tests those of a row or a column alone, ``retest`` those of any pool, as `decode` has it. By
        default ``lines`` for arrays and ``clear`` for all other designs, the literature's conventions.
    n_drawn
        Sets of infected samples to draw where no formula is known.
    seed
        Seed of what is drawn.

    Returns
    -------
    Characteristics
        Expected tests, by stage; sensitivity, specificity and predictive values, overall and of each sample; variance
        and distribution of the tests where known.

    Raises
    ------
    DesignError
        When not just one of prevalence and risks is given, one is no probability, the assays are not as many as the
        stages, an option is unknown, or a design is.

    Notes
    -----
    Tests of different specimens err independently, given who is infected. A sample is called by its last test: alone,
    unless a negative pool cleared it. A sample that stands in a first pool of one is tested once, with the assay of the
    last stage; one in a later group of one with the assay of that stage.

    *Pools inside pools* (two-stage, hierarchical to any depth, groups of any sizes and risks): exact. How likely the
    pools around a sample all react follows from the infected of each, from the outermost inwards; only whether there
    is one matters (O(samples x stages)) unless the sensitivity depends on how many there are (O(samples^2)). The
    distribution is known but for ``unmatched="retest"``.

    *Arrays*, square or not, with or without a pool of all, rows and columns read alike or not: exact, O(samples).
    Given that a row holds nobody infected its columns are independent, and so they are given nothing; so the
    sums over columns of Kim and others are products. The distribution is known where risks are equal.

    *Hypercubes, partitions and other crossing pools*: exact by inclusion and exclusion over the pools of a sample, up
    to 14 of them, as long as all samples of a later pool were in the same pools before, and ``unmatched`` is clear.

    All else is simulated from its layout, and says so by `exact` and `standard_errors`: crossing pools whose
    sensitivity depends on how many are infected, and crossing pools with ``unmatched="retest"`` but for arrays without
    a pool of all.

    *By viral loads* (`Assay.of_loads`) an infected sample has one load in all its tests, and loads add up in a pool.
    Pools inside pools of samples that are all as likely infected, ``unmatched`` not ``retest``, are averaged over 4,096
    points of the loads of up to eight infected, for each number of infected in each pool around a sample: no chance is
    in it, and sensitivities are within 3e-4 of the integral; the variance is drawn where it is asked for and a pool
    lies in another. All else by loads is simulated.

    References
    ----------
    Dorfman 1943, Ann Math Stat 14(4), 436-440; Kim, Hudgens, Dreyfuss, Westreich and Pilcher 2007, *Comparison of group
    testing algorithms for case identification in the presence of test error*, Biometrics 63(4), 1152-1163; Black,
    Bilder and Tebbs 2015, *Optimal retesting configurations for hierarchical group testing*, JRSS C 64(4), 693-710;
    McMahan, Tebbs and Bilder 2012, *Two-dimensional informative array testing*, Biometrics 68(3), 793-804.

    Examples
    --------
    >>> array = characteristics("array-10x10", prevalence=0.01, assay=Assay(0.95, 0.99))
    >>> round(array.expected_tests, 4), round(array.sensitivity, 4), round(array.ppv, 4)
    (22.7896, 0.8924, 0.9797)
    >>> [round(tests, 4) for tests in array.stages]
    [20.0, 2.7896]

    Ten in one, by the viral loads of infected people and a limit of detection:

    >>> honest = characteristics("two-stage-10", prevalence=0.01, assay=Assay.of_loads())
    >>> round(honest.sensitivity, 3)
    0.948

    Samples in order of risk, six of low risk together and the last alone:

    >>> from poolkit.planning import nested_pools
    >>> risks = [0.002, 0.003, 0.005, 0.008, 0.010, 0.015, 0.020, 0.035, 0.060, 0.120]
    >>> some = characteristics(nested_pools([6, 3, 1]), risks=risks, assay=[Assay(0.95, 0.98), Assay(0.99, 0.995)])
    >>> round(some.expected_tests, 4), some.individuals["sensitivity"].round(4).tolist()[-2:]
    (3.7258, [0.9405, 0.99])
    """
    plan = design if isinstance(design, Layout) else named(design)
    problems = _refused(prevalence, risks, arrange, unmatched, n_drawn, seed)
    given = None if risks is None else np.asarray(risks, np.float64)
    if given is not None:
        problems += _not_risks(given, plan)
    rectangle = rectangle_of(plan, None if given is None else given.size)
    if rectangle is not None:
        stages = stages_of(assay, columns, alone, 2 + rectangle.master, problems)
        if problems:
            raise DesignError("not a plan", problems)
        if not stages.counted and not stages.shared and (unmatched != "retest" or not rectangle.master):
            found = of_rectangle(rectangle, prevalence, given, arrange, stages, again=unmatched != "clear")
            return _result(plan, found)
    elif columns is not None:
        problems.append(Problem("columns", "only a full array has columns"))
    if problems:
        raise DesignError("not a plan", problems)
    if given is None and isinstance(design, str) and not isinstance(plan, Layout):
        layout, nested = block_of(plan)
    else:
        layout = plan if isinstance(plan, Layout) else plan.layout(plan.block if given is None else given.size)
        nested = nested_of(layout)
    n_stages = int(layout.stage[-1]) + 1 if layout.stage.size else 1
    stages = stages_of(assay, columns, alone, n_stages, problems)
    if problems:
        raise DesignError("not a plan", problems)
    risk = np.full(layout.n_samples, prevalence, np.float64) if given is None else given
    sides = (1, layout.n_samples) if rectangle is None else (rectangle.n_rows, rectangle.n_columns)
    sample = arranged(risk, *sides, how=arrange)
    unmatched = unmatched or ("clear" if rectangle is None else "lines")
    drawing = Drawing(n_drawn, seed, None if rectangle is None else sides)
    placed = risk if given is None else risk[sample]
    found = of_layout(layout, nested, placed, (sample, stages), drawing, unmatched=unmatched)
    return _result(plan, found)


def _refused(
    prevalence: float | None, risks: ArrayLike | None, arrange: str, unmatched: str | None, n_drawn: int, seed: int
) -> list[Problem]:
    problems = []
    if (prevalence is None) == (risks is None):
        problems.append(Problem("prevalence", "give either a prevalence or risks"))
    if prevalence is not None and not 0.0 <= prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be from 0 to 1, found {prevalence:g}"))
    if arrange not in ARRANGEMENTS:
        problems.append(Problem("arrange", f"must be one of {', '.join(ARRANGEMENTS)}, found {arrange}"))
    if unmatched not in (None, "clear", "lines", "retest"):
        problems.append(Problem("unmatched", f"must be clear, lines or retest, found {unmatched}"))
    if n_drawn < 2:
        problems.append(Problem("n_drawn", f"must be at least 2, found {n_drawn}"))
    if seed < 0:
        problems.append(Problem("seed", f"must not be negative, found {seed}"))
    return problems


def _not_risks(risks: NDArray[np.float64], plan: Design | Layout) -> list[Problem]:
    if risks.ndim != 1 or not risks.size:
        return [Problem("risks", f"must be one a sample, found shape {risks.shape}")]
    problems = []
    wrong = np.flatnonzero(~((risks >= 0.0) & (risks <= 1.0)))
    if wrong.size:
        problems.append(Problem("risks", "must be from 0 to 1", tuple(wrong.tolist())))
    if isinstance(plan, Layout) and plan.n_samples != risks.size:
        problems.append(Problem("risks", f"must be {plan.n_samples}, one a sample, found {risks.size}"))
    return problems


def _result(plan: Design | Layout, found: Figures) -> Characteristics:
    sensitivity, specificity, ppv, npv = found.overall()
    return Characteristics(
        "pools" if isinstance(plan, Layout) else plan.name,
        found.n_samples,
        sum(found.stages),
        found.stages,
        sensitivity,
        specificity,
        ppv,
        npv,
        found.errors is None,
        found.errors or _EXACT,
        found,
    )
