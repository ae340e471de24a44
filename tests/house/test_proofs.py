"""For each law of the house a proof that it can fail, and that it lets good source pass."""

from types import ModuleType

import pytest

from tests.house import laws

# What a law must say about a bad source; the words name the violation, the number its line.
BAD = [
    (
        laws.layers,
        "poolkit/calling/curve.py",
        "import numpy\nimport poolkit.pooling",
        ":2: calling (row 5) imports pooling",
    ),
    (laws.layers, "poolkit/calling/curve.py", "from poolkit.trace import Store", "imports trace"),
    (laws.layers, "poolkit/calling/curve.py", "from poolkit import trace", "imports trace"),
    (laws.layers, "poolkit/calling/curve.py", "from ..trace import Store", "imports trace"),
    (laws.layers, "poolkit/calling/curve.py", "from .. import trace", "imports trace"),
    (laws.layers, "poolkit/calling/__init__.py", "from ..trace.store import Store", "imports trace"),
    (laws.layers, "poolkit/calling/curve.py", "def call():\n    import poolkit.plates.layout", ":2: calling (row 5)"),
    (laws.layers, "poolkit/calling/curve.py", "import_module('poolkit.plates')", "imports plates"),
    (
        laws.layers,
        "poolkit/calling/curve.py",
        "import importlib\nimportlib.import_module('poolkit.trace')",
        "imports trace",
    ),
    (laws.layers, "poolkit/schemas/tables.py", "from poolkit.kernels import text", "schemas (row 2) imports kernels"),
    (laws.layers, "poolkit/kernels/text.py", "from poolkit.schemas import CALLS", "kernels (row 2) imports schemas"),
    (laws.layers, "poolkit/errors.py", "from poolkit.schemas import CALLS", "errors (row 1) imports schemas"),
    (laws.layers, "poolkit/arrays.py", "from poolkit.protocols import load", "arrays (row 3) imports protocols"),
    (laws.layers, "poolkit/protocols/load.py", "import poolkit.assays", "protocols (row 4) imports assays"),
    (laws.layers, "poolkit/pipeline.py", "import poolkit.planning", "pipeline (row 6) imports planning"),
    (laws.layers, "poolkit/pipeline.py", "import poolkit.cli", "pipeline (row 6) imports cli"),
    (laws.layers, "poolkit/__init__.py", "from poolkit.cli import main", "imports cli, which nobody imports"),
    (laws.layers, "poolkit/calling/curve.py", "from poolkit import process", "not a room"),
    (laws.layers, "poolkit/extras/more.py", "", "extras is not a room"),
    (laws.layers, "poolkit/clearance/release.py", "from poolkit.schemas import READINGS", "never readings"),
    (laws.layers, "poolkit/surveillance/rate.py", "from poolkit.schemas.tables import READINGS", "never readings"),
    (laws.libraries, "poolkit/pooling/design.py", "from numba import njit", ":1: imports numba outside kernels"),
    (laws.libraries, "poolkit/kernels/text.py", "import pyarrow as pa", "imports pyarrow in a kernel"),
    (laws.libraries, "poolkit/kernels/text.py", "import pyarrow.compute as pc", "imports pyarrow in a kernel"),
    (
        laws.libraries,
        "poolkit/reports/summary.py",
        "if TYPE_CHECKING:\n    import pandas",
        ":2: imports pandas outside",
    ),
    (laws.libraries, "poolkit/cli/show.py", "table.to_pandas()", "makes a pandas frame"),
    (laws.length, "poolkit/plates/layout.py", "x = 1\n" * 401, "401 lines, at most 400"),
    (laws.names, "poolkit/plates/utils.py", "", "the name 'utils.py' says nothing"),
    (laws.names, "poolkit/misc/layout.py", "", "the name 'misc' says nothing"),
    (laws.names, "poolkit/plates/ct_helpers.py", "", "ct_helpers.py"),
    (laws.names, "poolkit/plates/layout.py", "class Core:\n    pass", "the name 'Core' says nothing"),
    (laws.names, "poolkit/plates/layout.py", "def plate_helper(): ...", "plate_helper"),
    (laws.names, "poolkit/plates/layout.py", "df = 1", "a variable called 'df'"),
    (laws.names, "poolkit/plates/layout.py", "def fill(arr): ...", "a variable called 'arr'"),
    (laws.names, "poolkit/plates/layout.py", "for arr2 in wells: ...", "a variable called 'arr2'"),
    (laws.names, "poolkit/plates/layout.py", "[0 for sample_df in wells]", "a variable called 'sample_df'"),
    (laws.names, "poolkit/plates/layout.py", "from wells import plate as df", "a variable called 'df'"),
    (laws.rulers, "poolkit/plates/layout.py", "x = 1\n# " + "-" * 40, ":2: a ruler"),
    (laws.booleans, "poolkit/pooling/design.py", "def pool(samples, strict: bool = True): ...", "strict by position"),
    (laws.booleans, "poolkit/pooling/design.py", "def pool(samples, strict=False): ...", "strict by position"),
    (
        laws.booleans,
        "poolkit/pooling/design.py",
        "class A:\n    def pool(self, x: bool | None = None): ...",
        ":2: pool",
    ),
    (laws.kernels, "poolkit/kernels/text.py", '@kernel\ndef f(a):\n    """F."""\n    raise E', ":2: kernel f raises"),
    (laws.kernels, "poolkit/kernels/text.py", '@kernel\ndef f(a):\n    """F."""\n    assert a', "kernel f raises"),
    (laws.kernels, "poolkit/kernels/text.py", "@kernel\ndef f(a): ...", "kernel f has no docstring"),
    (
        laws.kernels,
        "poolkit/kernels/text.py",
        '@kernel\ndef f(a,b,c,d,e,f,g,h,i):\n    "F."',
        "takes 9 arguments, at most 8",
    ),
    (laws.kernels, "poolkit/kernels/text.py", '@kernels.kernel()\ndef f(a, *rest):\n    "F."', "arguments"),
    (laws.kernels, "poolkit/calling/curve.py", '@kernel\ndef f(a):\n    "F."', "outside poolkit/kernels"),
    (laws.missing_is_null, "poolkit/calling/curve.py", "import pyarrow as pa\npa.array([np.nan])", ":2: pyarrow.array"),
    (
        laws.missing_is_null,
        "poolkit/calling/curve.py",
        "import pyarrow\npyarrow.scalar(float('NaN'))",
        "pyarrow.scalar",
    ),
    (laws.missing_is_null, "poolkit/calling/curve.py", "ct.fill_null(math.nan)", "missing is null"),
    (
        laws.missing_is_null,
        "poolkit/calling/curve.py",
        "import pyarrow as pa\npa.table({'ct': [-nan]})",
        "pyarrow.table",
    ),
    (
        laws.missing_is_null,
        "poolkit/simulation/readings.py",
        "import pyarrow as pa\nct[lost] = np.nan\ncolumn = pa.array(ct, pa.float64())",
        ":3: pyarrow.array",
    ),
    (
        laws.missing_is_null,
        "poolkit/simulation/readings.py",
        "import pyarrow.compute as pc\npc.if_else(lost, np.nan, ct)",
        "pyarrow.compute.if_else",
    ),
    (
        laws.clocks,
        "poolkit/calling/curve.py",
        "from datetime import datetime as d\nd.now()",
        ":2: datetime.datetime.now",
    ),
    (laws.clocks, "poolkit/calling/curve.py", "import datetime as dt\ndt.datetime.now(dt.UTC)", "reads the clock"),
    (laws.clocks, "poolkit/calling/curve.py", "import datetime\ndatetime.date.today()", "reads the clock"),
    (laws.clocks, "poolkit/calling/curve.py", "from time import time\ntime()", "reads the clock"),
    (laws.clocks, "poolkit/calling/curve.py", "import time\ntime.time()", "reads the clock"),
    (laws.clocks, "poolkit/calling/curve.py", "import numpy as np\nnp.datetime64('now')", "reads the clock"),
    (laws.clocks, "poolkit/planning/cost.py", "import pandas as pd\npd.Timestamp.now()", "reads the clock"),
    (laws.clocks, "poolkit/trace/store.py", "import time\ntime.perf_counter()", "takes the time outside pipeline"),
    (laws.switches, "poolkit/kernels/text.py", "njit(fastmath=True)", "fastmath=True"),
    (laws.switches, "poolkit/kernels/text.py", "@njit(parallel=True)\ndef f(): ...", "parallel=True"),
    (laws.switches, "poolkit/kernels/text.py", "njit(fastmath={'nnan'})", "fastmath=True"),
    (laws.switches, "poolkit/calling/curve.py", "x = 1\nprint(x)", ":2: prints"),
    (laws.switches, "poolkit/simulation/day.py", "import numpy as np\nnp.random.default_rng()", "without a seed"),
    (laws.slow_twins, "tests/reference/day.py", "import poolkit", "imports poolkit"),
    (laws.slow_twins, "tests/reference/day.py", "from poolkit.errors import Problem", "imports poolkit.errors.Problem"),
    (laws.machine_text, "docs/a.md", "first\nsee /ho" + "me/someone/data", ":2: names"),
    (laws.machine_text, "docs/a.md", "cd /wo" + "rk/main", "names"),
    (laws.machine_text, "docs/a.md", "pip install --ind" + "ex-url x", "names"),
    (laws.machine_text, "docs/a.md", "https://py" + "pi.org/simple", "names"),
    (laws.machine_text, "docs/a.md", "files.pythonho" + "sted.org", "names"),
    (laws.readme_blocks, "README.md", "# Title\n\n```python\nimport poolkit\n```\n", ":3: a python block without >>>"),
    (laws.readme_blocks, "README.md", "```python\n>>> 1\n1\n\n```\n\n```py\nx = 1\n```\n", ":7: a python block"),
]


@pytest.mark.parametrize(("law", "path", "source", "says"), BAD)
def test_law_can_fail(law: laws.Law, path: str, source: str, says: str) -> None:
    found = law(path, source)
    assert len(found) == 1
    assert found[0].startswith(f"{path}:")
    assert says in found[0]


GOOD = [
    (laws.layers, "poolkit/calling/curve.py", "from poolkit.calling.limits import LIMIT\nfrom .limits import LIMIT"),
    (
        laws.layers,
        "poolkit/calling/curve.py",
        "from poolkit.arrays import view\nfrom poolkit import kernels, __version__",
    ),
    (laws.layers, "poolkit/cli/day.py", "from poolkit import process\nimport poolkit.trace"),
    (laws.layers, "poolkit/__main__.py", "from poolkit.cli import main"),
    (laws.layers, "poolkit/__init__.py", "from poolkit.pipeline import process"),
    (laws.layers, "poolkit/calling/curve.py", "import poolkitten"),
    (laws.libraries, "poolkit/planning/choose.py", "import pandas as pd"),
    (laws.libraries, "poolkit/kernels/text.py", "from numba import njit"),
    (laws.length, "poolkit/plates/layout.py", "x = 1\n" * 400),
    (laws.names, "poolkit/plates/layout.py", "score = 1\ndef corer(wells, marr): ..."),
    (laws.rulers, "poolkit/plates/layout.py", 's = "# -----------"  # a - b -- c'),
    (
        laws.booleans,
        "poolkit/pooling/design.py",
        "def pool(a, *, strict: bool = True): ...\ndef _p(a, strict=True): ...",
    ),
    (laws.kernels, "poolkit/kernels/text.py", '@kernel\ndef f(a, b, c, d, e, f, g, h):\n    "F."'),
    (laws.kernels, "poolkit/kernels/text.py", "def plain(*many):\n    raise ValueError"),
    (laws.missing_is_null, "poolkit/arrays.py", "pc.fill_null(ct, np.nan)"),
    (
        laws.missing_is_null,
        "poolkit/calling/curve.py",
        "import pyarrow as pa\npc.is_nan(ct)\npa.array(ct, pa.float64())",
    ),
    (
        laws.missing_is_null,
        "poolkit/simulation/readings.py",
        "import pyarrow as pa\nct[lost] = np.nan\npa.table([pa.array(ct, pa.float64(), mask=lost)])\npa.array(names)",
    ),
    (laws.clocks, "poolkit/pipeline.py", "import time\ntime.perf_counter()"),
    (laws.clocks, "poolkit/trace/lock.py", "import time\nuntil = time.monotonic() + 5"),
    (laws.clocks, "poolkit/trace/store.py", "from datetime import UTC, datetime\ndatetime.now(UTC)"),
    (laws.clocks, "poolkit/calling/curve.py", "self.time()\nnp.datetime64('2020-01-01')"),
    (laws.switches, "poolkit/kernels/text.py", "njit(parallel=False)"),
    (laws.switches, "poolkit/cli/day.py", "print(1)"),
    (laws.switches, "poolkit/simulation/day.py", "import numpy as np\nnp.random.default_rng(seed)"),
    (laws.machine_text, "docs/a.md", "tests/wo" + 'rk/list, "${TMPDIR:-/tm' + 'p}/x" and https://a.org/ho' + "me/page"),
    (laws.readme_blocks, "README.md", "```console\npip install .\n```\n\n```python\n>>> 1 + 1\n2\n\n```\n"),
]


@pytest.mark.parametrize(("law", "path", "source"), GOOD)
def test_law_lets_good_source_pass(law: laws.Law, path: str, source: str) -> None:
    assert law(path, source) == []


def test_law_of_exports_can_fail() -> None:
    bare = ModuleType("bare")
    assert laws.exports(bare) == ["bare: no __all__"]
    bare.__dict__.update(__all__=["gone", "mute", "mute", "LIMIT"], mute=lambda: None, LIMIT=3)
    assert laws.exports(bare) == [
        "bare.mute: listed twice",
        "bare.gone: listed but not there (module 'bare' has no attribute 'gone')",
        "bare.mute: no docstring",
        "bare.mute: no docstring",
    ]


def test_law_of_exports_sees_a_made_up_docstring() -> None:
    from dataclasses import dataclass  # noqa: PLC0415

    made = ModuleType("made")
    made.__dict__.update(__all__=["Well"], Well=dataclass(type("Well", (), {"__annotations__": {"name": str}})))
    assert laws.exports(made) == ["made.Well: no docstring"]


def undocumented(well: str) -> str: ...


def no_period(well: str) -> None:
    """Read a well"""


def two_sentences() -> None:
    """Read a well. Then write it.

    Examples
    --------
    >>> two_sentences()
    """


def no_sections(well: str) -> str:
    """Read a well."""
    if not well:
        raise ValueError(well)
    return well


def no_example() -> None:
    """Read a well.

    Examples
    --------
    None yet.
    """


class Mute:
    """A well."""

    def read(self) -> None: ...


def whole(well: str) -> str:
    """Read a well, e.g. A01.

    Parameters
    ----------
    well
        Its name.

    Returns
    -------
    str
        The same.

    Raises
    ------
    ValueError
        When there is none.

    Examples
    --------
    >>> from tests.house.test_proofs import whole
    >>> whole("A01")
    'A01'
    """
    if not well:
        raise ValueError(well)
    if len(well) > 3:
        raise AssertionError
    return well


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (
            undocumented,
            ["x: no docstring", *(f"x: no section {each}" for each in ("Parameters", "Returns", "Examples"))],
        ),
        (
            no_period,
            ["x: the first line does not end with a period", "x: no section Parameters", "x: no section Examples"],
        ),
        (two_sentences, ["x: the first line is more than one sentence"]),
        (no_sections, [f"x: no section {each}" for each in ("Parameters", "Returns", "Raises", "Examples")]),
        (no_example, ["x: no example under Examples"]),
        (Mute, ["x.read: no docstring"]),
        (whole, []),
    ],
)
def test_law_of_sections_can_fail(thing: object, says: list[str]) -> None:
    assert laws.sections("x", thing) == says
