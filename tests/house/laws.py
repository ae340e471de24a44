"""The laws of the house as pure functions: a path and its source in, a list of violations out.

Paths are relative to the project root and written with ``/``. A violation reads ``path:line: what is wrong``.
"""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from types import ModuleType

ROOMS = (
    {"errors"},
    {"schemas", "kernels"},
    {"arrays", "drawing"},
    {"protocols", "assays"},
    {"simulation", "pooling", "plates", "calling", "deconvolution", "reports", "trace", "formats", "quality"},
    {"pipeline", "planning", "surveillance", "clearance"},
    {"lab"},  # the pipeline over a store and its files
    {"cli"},
)
ROWS = {room: row for row, rooms in enumerate(ROOMS, 1) for room in rooms}
PANDAS_ROOMS = {"planning", "surveillance"}
NAN_ROOMS = {"kernels", "formats", "arrays"} | PANDAS_ROOMS  # pandas writes missing so; arrays hands it to kernels
CLOCK_ROOMS = {"pipeline", "lab", "trace", "cli"}
N_LINES = 400
N_ARGUMENTS = 8
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "core", "misc"}
EMPTY_VARIABLES = {"df", "arr"}
CLOCKS = {
    *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime", "ctime")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    *("datetime.date.today", "pandas.Timestamp.now", "pandas.Timestamp.today", "pandas.Timestamp.utcnow"),
}
STOPWATCHES = {f"time.{name}{ns}" for name in ("perf_counter", "process_time") for ns in ("", "_ns")}

Law = Callable[[str, str], list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def room_of(path: str) -> str:
    """Return the room of a module of poolkit; the package's own ``__init__`` and ``__main__`` have none."""
    name = path.split("/")[1].removesuffix(".py")
    return "" if name in {"__init__", "__main__"} else name


def _package(path: str) -> list[str]:
    return path.split("/")[:-1]


def imports(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give line and dotted name of everything imported, relative and string imports resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                package = _package(path)
                base = package[: len(package) - node.level + 1] + base
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            for each in node.args[:1]:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield node.lineno, each.value


def _calls(path: str, source: str) -> Iterator[tuple[ast.Call, str]]:
    """Give each call with its full dotted name, imported names resolved."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                known[bound] = prefix + (alias.name if alias.asname or prefix else bound)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, *rest = ast.unparse(node.func).split(".")
            yield node, ".".join([known.get(first, first), *rest])


def layers(path: str, source: str) -> list[str]:
    """A room imports only from lower rows; ``cli`` is imported by nobody, clearance and surveillance see no reading."""
    room, found = room_of(path), []
    if room and room not in ROWS:
        return [f"{path}:1: {room} is not a room of the house"]
    for line, name in imports(path, ast.parse(source)):
        parts = name.split(".")
        if parts[0] != "poolkit":
            continue
        other = parts[1] if len(parts) > 1 else ""
        if not room:
            if other == "cli" and not path.endswith("__main__.py"):
                found.append(f"{path}:{line}: imports cli, which nobody imports")
        elif other not in ROWS:
            # The command line is a door like the public names, and may go through them.
            if room != "cli" and other != "__version__":
                found.append(f"{path}:{line}: imports {name}, which is not a room")
        elif other != room and ROWS[other] >= ROWS[room]:
            found.append(f"{path}:{line}: {room} (row {ROWS[room]}) imports {other} (row {ROWS[other]})")
        elif room in {"clearance", "surveillance"} and parts[-1] == "READINGS":
            found.append(f"{path}:{line}: {room} reads results, never readings")
    return found


def libraries(path: str, source: str) -> list[str]:
    """Numba stays in kernels, which see no pyarrow; pandas only where a person looks."""
    room, found = room_of(path), []
    tree = ast.parse(source)
    for line, name in imports(path, tree):
        library = name.split(".")[0]
        if library == "numba" and room != "kernels":
            found.append(f"{path}:{line}: imports numba outside kernels")
        if library == "pyarrow" and room == "kernels":
            found.append(f"{path}:{line}: imports pyarrow in a kernel")
        if library == "pandas" and room not in PANDAS_ROOMS:
            found.append(f"{path}:{line}: imports pandas outside {' and '.join(sorted(PANDAS_ROOMS))}")
    return found + [
        f"{path}:{node.lineno}: makes a pandas frame outside {' and '.join(sorted(PANDAS_ROOMS))}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "to_pandas" and room not in PANDAS_ROOMS
    ]


def length(path: str, source: str) -> list[str]:
    """A module stays short enough to be read in one go."""
    n_lines = len(source.splitlines())
    return [f"{path}:{n_lines}: {n_lines} lines, at most {N_LINES}"] if n_lines > N_LINES else []


def names(path: str, source: str) -> list[str]:
    """No file, function or class says nothing by its name, and no variable is called df or arr."""
    found = [
        f"{path}:1: the name '{part}' says nothing"
        for part in path.split("/")
        if EMPTY_WORDS & set(part.lower().removesuffix(".py").split("_"))
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function | ast.ClassDef):
            if EMPTY_WORDS & set(node.name.lower().split("_")):
                found.append(f"{path}:{node.lineno}: the name '{node.name}' says nothing")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found += _variable(path, node.lineno, node.id)
        elif isinstance(node, ast.arg):
            found += _variable(path, node.lineno, node.arg)
        elif isinstance(node, ast.alias) and node.asname:
            found += _variable(path, node.lineno, node.asname)
    return found


def _variable(path: str, line: int, name: str) -> list[str]:
    words = {word.rstrip("0123456789") for word in name.lower().split("_")}
    return [f"{path}:{line}: a variable called '{name}'"] if words & EMPTY_VARIABLES else []


def rulers(path: str, source: str) -> list[str]:
    """No banner and no ruler among the comments."""
    return [
        f"{path}:{token.start[0]}: a ruler"
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and re.search(r"[-=*#~_]{4,}", token.string)
    ]


def booleans(path: str, source: str) -> list[str]:
    """No public function takes an optional yes or no by position; typer reads a verb's options by keyword anyway."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if room_of(path) == "cli" or not isinstance(node, Function) or node.name.startswith("_"):
            continue
        positional = [*node.args.posonlyargs, *node.args.args]
        defaults = node.args.defaults
        for each, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
            said = each.annotation is not None and re.search(r"\bbool\b", ast.unparse(each.annotation))
            if said or (isinstance(default, ast.Constant) and isinstance(default.value, bool)):
                found.append(f"{path}:{node.lineno}: {node.name} takes the boolean {each.arg} by position")
    return found


def kernels(path: str, source: str) -> list[str]:
    """A kernel stands in its room, never raises, takes at most eight arguments and says what it does."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Function) or not any(_is_kernel(each) for each in node.decorator_list):
            continue
        where = f"{path}:{node.lineno}: kernel {node.name}"
        taken = node.args
        n_arguments = len([*taken.posonlyargs, *taken.args, *taken.kwonlyargs])
        if room_of(path) != "kernels":
            found.append(f"{where} stands outside poolkit/kernels")
        if any(isinstance(each, ast.Raise | ast.Assert) for each in ast.walk(node)):
            found.append(f"{where} raises")
        if n_arguments > N_ARGUMENTS or taken.vararg or taken.kwarg:
            found.append(f"{where} takes {n_arguments} arguments, at most {N_ARGUMENTS}")
        if not ast.get_docstring(node):
            found.append(f"{where} has no docstring")
    return found


def _is_kernel(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).split(".")[-1] in {"kernel", "njit", "jit", "vectorize", "guvectorize"}


def _is_nan(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute | ast.Name):
        return (node.attr if isinstance(node, ast.Attribute) else node.id).lower() == "nan"
    texts = [each.value for each in node.args if isinstance(each, ast.Constant)] if isinstance(node, ast.Call) else []
    return any(isinstance(each, str) and each.strip("+-").lower() == "nan" for each in texts)


def missing_is_null(path: str, source: str) -> list[str]:
    """Missing is null: NaN may stand in an ndarray on its way, but no Arrow column is made with it.

    Where a module writes NaN, every float column that it makes says ``from_pandas=True`` or gives a mask; and NaN is
    never handed to Arrow itself. Kernels, their coat, file readers and pandas frames know no null and are let alone.
    """
    calls = list(_calls(path, source))
    if room_of(path) in NAN_ROOMS or not any(_is_nan(node) for node in ast.walk(ast.parse(source))):
        return []
    found: list[str] = []
    for node, name in calls:
        told = any(keyword.arg in {"from_pandas", "mask"} for keyword in node.keywords)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        inside = [each for argument in given for each in ast.walk(argument)]
        made = name in {"pyarrow.array", "pyarrow.chunked_array"} and any(
            "float" in ast.unparse(each) for each in given
        )
        arrow = name.startswith("pyarrow.") or name.endswith((".fill_null", ".cast"))
        if not told and (made or (arrow and any(map(_is_nan, inside)) and not _nested_told(inside))):
            found.append(f"{path}:{node.lineno}: {name} may make a column with NaN; missing is null")
    return found


def _nested_told(nodes: list[ast.AST]) -> bool:
    keywords = [keyword.arg for node in nodes if isinstance(node, ast.Call) for keyword in node.keywords]
    return "from_pandas" in keywords or "mask" in keywords


def clocks(path: str, source: str) -> list[str]:
    """No clock is read outside pipeline, lab, trace and cli, and no stopwatch outside pipeline and lab."""
    room, found = room_of(path), []
    for node, name in _calls(path, source):
        now = name == "numpy.datetime64" and any(ast.unparse(each) in {"'now'", "'today'"} for each in node.args)
        if (name in CLOCKS or now) and room not in CLOCK_ROOMS:
            found.append(f"{path}:{node.lineno}: {name} reads the clock")
        if name in STOPWATCHES and room not in {"pipeline", "lab"}:
            found.append(f"{path}:{node.lineno}: {name} takes the time outside pipeline")
    return found


def switches(path: str, source: str) -> list[str]:
    """No fastmath, no parallel loops, no unseeded chance and no print outside cli."""
    found: list[str] = []
    for node, name in _calls(path, source):
        for keyword in node.keywords:
            on = not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
            if keyword.arg in {"fastmath", "parallel"} and on:
                found.append(f"{path}:{node.lineno}: {keyword.arg}=True changes numbers")
        if name == "print" and room_of(path) != "cli":
            found.append(f"{path}:{node.lineno}: prints")
        if name in {"numpy.random.default_rng", "random.Random"} and not node.args and not node.keywords:
            found.append(f"{path}:{node.lineno}: {name} without a seed")
    return found


def slow_twins(path: str, source: str) -> list[str]:
    """A slow twin is written from the definition and imports nothing of poolkit."""
    found = [(line, name) for line, name in imports(path, ast.parse(source)) if name.split(".")[0] == "poolkit"]
    return [f"{path}:{line}: a slow twin imports {name}" for line, name in found]


def machine_text(path: str, text: str) -> list[str]:
    """No tracked file names a machine's folders or a package index."""
    # Written in two parts, so that this file does not hold what it forbids.
    folders = "|".join(
        f"{a}{b}/" for a, b in (("ho", "me"), ("wo", "rk"), ("Us", "ers"), ("ro", "ot"), ("op", "t"), ("tm", "p"))
    )
    hosts = "|".join(a + b for a, b in (("py", "pi"), ("pythonho", "sted"), ("anacon", "da"), ("npm", "js")))
    folder = re.compile(rf"(?<![\w.~*<>)}}\]$-])/(?:{folders})\w|\bfile://" + r"/\w")
    host = re.compile(
        rf"\b(?:[\w-]+\.)*(?:{hosts})\w*\.(?:org|com|net|io)\b|--(?:extra-)?ind" + "ex-url", re.IGNORECASE
    )
    return [
        f"{path}:{number}: names {hit.group()!r}"
        for number, line in enumerate(text.splitlines(), 1)
        for hit in [folder.search(line) or host.search(line)]
        if hit
    ]


def readme_blocks(path: str, text: str) -> list[str]:
    """Every python block of the README is a doctest."""
    found, started, block = [], 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.strip().startswith("```")
        if fence and not started and re.match(r"```\s*(python|py|python3)\b", line.strip()):
            started, block = number, ""
        elif fence and started:
            if ">>>" not in block:
                found.append(f"{path}:{started}: a python block without >>>")
            started = 0
        elif started:
            block += f"{line}\n"
    return found


def one_sentence(name: str, text: str | None) -> list[str]:
    """A docstring opens with one sentence on one line."""
    first = inspect.cleandoc(text or "").partition("\n")[0]
    if not first:
        return [f"{name}: no docstring"]
    if not first.endswith("."):
        return [f"{name}: the first line does not end with a period"]
    if re.search(r"[.!?]\s+[A-Z]", re.sub(r"\b(e\.g|i\.e|cf|vs|et al)\.", "", first)):
        return [f"{name}: the first line is more than one sentence"]
    return []


def exports(module: ModuleType) -> list[str]:
    """Every name of a package's ``__all__`` exists, once, and functions and classes among them say what they are."""
    listed = getattr(module, "__all__", None)
    if listed is None:
        return [f"{module.__name__}: no __all__"]
    found = [f"{module.__name__}.{name}: listed twice" for name in sorted(set(listed)) if list(listed).count(name) > 1]
    for name in listed:
        try:
            thing = getattr(module, name)
        except (AttributeError, ImportError) as reason:
            found.append(f"{module.__name__}.{name}: listed but not there ({reason})")
            continue
        # A dataclass without a docstring is given its signature as one.
        made_up = isinstance(thing, type) and (thing.__doc__ or "").startswith(f"{thing.__name__}(")
        if (inspect.isroutine(thing) or isinstance(thing, type)) and (made_up or not thing.__doc__):
            found.append(f"{module.__name__}.{name}: no docstring")
    return found


def sections(name: str, thing: object) -> list[str]:
    """A public function or class has the numpydoc sections that it needs; its public methods open with a sentence."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    found = one_sentence(name, text)
    headings = set(re.findall(r"^(\w[\w ]*)\n-{3,}$", text, re.MULTILINE))
    if isinstance(thing, type):
        for each, method in vars(thing).items():
            if inspect.isfunction(method) and not each.startswith("_"):
                found += one_sentence(f"{name}.{each}", method.__doc__)
        needs_fields = hasattr(thing, "__dataclass_fields__") and bool(vars(thing).get("__annotations__"))
        if needs_fields and not headings & {"Parameters", "Attributes"}:
            found.append(f"{name}: no section Parameters or Attributes")
        return found
    if not inspect.isfunction(thing):
        return found
    signature = inspect.signature(thing)
    returned = str(signature.return_annotation)
    gives = signature.return_annotation not in (None, inspect.Signature.empty) and "Never" not in returned
    yields = re.match(r"(?:collections\.abc\.|typing\.)?(?:Iterator|Generator)\b", returned)
    raised = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(thing))))
    faults = [ast.unparse(node.exc) for node in raised if isinstance(node, ast.Raise) and node.exc]
    needed = {
        "Parameters": bool(signature.parameters),
        "Returns": gives and returned != "None" and not (yields and "Yields" in headings),
        "Raises": any(not fault.startswith("AssertionError") for fault in faults),
        "Examples": True,
    }
    found += [f"{name}: no section {each}" for each, needs in needed.items() if needs and each not in headings]
    if "Examples" in headings and ">>>" not in text.partition("Examples\n")[2]:
        found.append(f"{name}: no example under Examples")
    return found
