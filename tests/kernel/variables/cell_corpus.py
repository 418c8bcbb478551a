"""A corpus of cells, with what each needs, makes, and touches unseen; builtins are left out of the needs."""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    name: str
    source: str
    needs: str = ""
    makes: str = ""
    opaque: str = ""
    """Words, parted by commas."""


CELLS = [
    # one statement
    Cell("a value", "x = 1", makes="x"),
    Cell("a value of another", "y = x + 1", needs="x", makes="y"),
    Cell("only the name", "x", needs="x"),
    Cell("assigned, then read", "x = 1\nprint(x)", makes="x"),
    Cell("read, then assigned", "print(x)\nx = 1", needs="x", makes="x"),
    Cell("its own successor", "x = x + 1", needs="x", makes="x"),
    Cell("an augmented assignment", "total += 1", needs="total", makes="total"),
    Cell("several targets", "a = b = c", needs="c", makes="a b"),
    Cell("unpacking", "(a, *b), c = pair", needs="pair", makes="a b c"),
    Cell("a swap", "a, b = b, a", needs="a b", makes="a b"),
    Cell("an annotated value", "n: Count = 1", needs="Count", makes="n"),
    Cell("an annotation alone", "n: Count", needs="Count"),
    Cell("a delete", "del x", needs="x", makes="x"),
    Cell("a delete, then a read", "del x\nprint(x)", needs="x", makes="x"),
    Cell("a builtin's name made ordinary", "sum = 0\nsum += n", needs="n", makes="sum"),
    # changes in place
    Cell("an item", "x[0] = y", needs="x y", makes="x"),
    Cell("an item of an attribute of an item", "x[i].rows[0] = 1", needs="x i", makes="x"),
    Cell("an attribute", "model.rate = 0.1", needs="model", makes="model"),
    Cell("a deleted item", "del cache[key]", needs="cache key", makes="cache"),
    Cell("an augmented item", "counts[word] += 1", needs="counts word", makes="counts"),
    Cell("through a call", 'frame.loc("x")[0] = 1', needs="frame", makes="frame"),
    Cell("a method may change it", "items.append(item)", needs="items item"),
    Cell("the target of a loop", "for grid[0] in range(3): pass", needs="grid", makes="grid"),
    # branches
    Cell("both ways", "if c:\n  x = 1\nelse:\n  x = 2\nprint(x)", needs="c", makes="x"),
    Cell("one way", "if c:\n  x = 1\nprint(x)", needs="c x", makes="x"),
    Cell("a way that ends", "if c:\n  x = 1\nelse:\n  raise ValueError\nprint(x)", needs="c", makes="x"),
    Cell("after the end", "raise ValueError(a)\nprint(b)", needs="a"),
    Cell("a conditional expression", "y = a if c else (b := 2)\nb", needs="a b c", makes="b y"),
    Cell("a short cut", "ok and (m := find())\nm", needs="ok find m", makes="m"),
    Cell("a chain of comparisons", "0 < (a := f()) < (b := g())\na, b", needs="f g b", makes="a b"),
    Cell("an assertion", "assert (n := count()), why\nn", needs="count why n", makes="n"),
    # loops
    Cell("a loop", "for i in rows:\n  total += i\nprint(i)", needs="rows total i", makes="i total"),
    Cell("inside of the loop", "for i in rows:\n  y = i\n  print(y)", needs="rows", makes="i y"),
    Cell("a loop's else", "for i in rows:\n  pass\nelse:\n  done = True\ndone", needs="rows done", makes="i done"),
    Cell("a while", "while (line := read()):\n  n += 1\nline", needs="read n", makes="line n"),
    Cell("a continue", "for i in a:\n  if i:\n    continue\n  else:\n    x = 1\n  x", needs="a", makes="i x"),
    Cell(
        "a training loop",
        "for epoch in range(epochs):\n"
        "    for batch, target in loader:\n"
        "        optimizer.zero_grad()\n"
        "        loss = criterion(model(batch), target)\n"
        "        loss.backward()\n"
        "        optimizer.step()\n"
        "    losses.append(loss.item())",
        needs="epochs loader optimizer criterion model losses loss",
        makes="epoch batch target loss",
    ),
    # with, try
    Cell("a file", "with open(path) as f:\n  text = f.read()\n  n = len(text)", needs="path", makes="f text n"),
    Cell("after a with", "with lock:\n  x = 1\nx", needs="lock x", makes="x"),
    Cell("two managers", "with a as b, b.sub() as c:\n  c.go()", needs="a", makes="b c"),
    Cell("an import or none", "try:\n  import cupy as np\nexcept ImportError:\n  import numpy as np\nnp", makes="np"),
    Cell("a failed try", "try:\n  x = f()\nexcept Oops as e:\n  log(e)\nx", needs="f Oops log x", makes="x e"),
    Cell("an else", "try:\n  x = f()\nexcept Oops:\n  raise\nelse:\n  y = x\ny", needs="f Oops", makes="x y"),
    Cell("a finally", "try:\n  a = f()\nfinally:\n  g(a)\n  b = 1\nb", needs="f g a", makes="a b"),
    Cell("an exception group", "try:\n  f()\nexcept* Oops as e:\n  e", needs="f Oops", makes="e"),
    # match
    Cell(
        "captures",
        'match command:\n  case {"go": x, **rest}: print(x, rest)\n  case [first, *others]: first, others\n'
        "  case Point(x=0) as p if p.ok: p",
        needs="command Point",
        makes="x rest first others p",
    ),
    Cell("all cases", "match c:\n  case 1: x = 1\n  case _: x = 2\nx", needs="c", makes="x"),
    Cell("no case perhaps", "match c:\n  case 1: x = 1\nx", needs="c x", makes="x"),
    Cell("a case's value", "match c:\n  case Color.RED: pass", needs="c Color"),
    # comprehensions
    Cell("a list", "squares = [n * n for n in numbers if n > low]", needs="numbers low", makes="squares"),
    Cell("its own names", "[[x for x in row] for row in rows]", needs="rows"),
    Cell("the first iterable is outside", "[x for x in x]", needs="x"),
    Cell("a walrus in it", "[y for x in rows if (y := f(x))]\ny", needs="rows f y", makes="y"),
    Cell("a dictionary", "{k: table[k] for k in keys}", needs="table keys"),
    Cell("a generator", "total = sum(w * x for w, x in zip(ws, xs))", needs="ws xs", makes="total"),
    Cell("an async one", "[x async for x in source()]", needs="source"),
    # functions
    Cell("what it reads", "def f(v):\n  return v * k", needs="k", makes="f"),
    Cell("bound before it is called", "def f():\n  return k\nk = 1\nf()", makes="f k"),
    Cell("called before it is bound", "def f():\n  return k\nf()\nk = 1", needs="k", makes="f k"),
    Cell("calls one below", "def a():\n  return b()\ndef b():\n  return c\na()", needs="c", makes="a b"),
    Cell("itself", "def fact(n):\n  return 1 if n < 2 else n * fact(n - 1)", makes="fact"),
    Cell("defaults and annotations", "def f(a: T = d, *, b=e) -> R: pass", needs="T d e R", makes="f"),
    Cell("annotations never evaluated", "from __future__ import annotations\ndef f(a: T): pass", makes="f annotations"),
    Cell("a decorator may call it", "@app.run\ndef f():\n  return k\nk = 1", needs="app k", makes="f k"),
    Cell(
        "a closure",
        "def outer():\n  n = 0\n  def inner():\n    nonlocal n\n    n += step\n  return inner",
        needs="step",
        makes="outer",
    ),
    Cell("a global", "def f():\n  global n\n  n += 1\nf()", needs="n", makes="f n"),
    Cell("a global that is made", "def f():\n  global n\n  n = 1\nf()\nn", needs="n", makes="f n"),
    Cell("a local of the same name", "def f():\n  x = 1\n  return [x for _ in y]", needs="y", makes="f"),
    Cell("stores into a global's item", "def f():\n  cache[0] = 1", needs="cache", makes="f cache"),
    Cell("a lambda", "key = lambda row, n=size: row[column]", needs="size column", makes="key"),
    Cell("a lambda's own names", "f = lambda *a, **k: (a, k)", makes="f"),
    Cell("an import in it", "def f():\n  import math\n  return math.pi", makes="f"),
    Cell(
        "coroutines",
        "async def f():\n  async with pool as p:\n    return await p.get(url)\nr = await f()",
        needs="pool url",
        makes="f r",
    ),
    # classes
    Cell("a class", "class Net(nn.Module):\n  def forward(self, x):\n    return act(x)", needs="nn act", makes="Net"),
    Cell("a class body", "class A:\n  x = x\n  y = x\n  z = [x for _ in y]", needs="x", makes="A"),
    Cell("a body's names aren't its methods'", "class A:\n  n = 1\n  def f(self):\n    return n", needs="n", makes="A"),
    Cell("bound before it is made", "class A:\n  def f(self):\n    return k\nk = 1\nA().f()", makes="A k"),
    Cell("a dataclass", "@dataclass\nclass P:\n  x: int = zero", needs="dataclass zero", makes="P"),
    Cell("private names", "class A:\n  def f(self):\n    return __x", needs="_A__x", makes="A"),
    Cell("super and class", "class A:\n  def f(self):\n    return super().f(__class__)", makes="A"),
    # modules
    Cell("imports", "import a.b\nimport c.d as e\nfrom f import g, h as i\na, e, g, i", makes="a e g i"),
    Cell("a star", "from math import *\nsin(x)", needs="sin x", opaque="from math import *"),
    Cell("the notebook itself", "import __main__\n__main__.x = 1", makes="__main__", opaque="import __main__"),
    # text
    Cell("an f-string", 'f"{name!r:>{width}} {total=}"', needs="name width total"),
    Cell("a query", 'frame.query("price > @limit")', needs="frame limit price"),
    Cell("SQL over frames", 'duckdb.sql("select * from sales")', needs="duckdb select from sales"),
    Cell("a formula", 'smf.ols("y ~ scale(x)", data=frame).fit()', needs="smf y scale x frame"),
    Cell("a text from elsewhere", "frame.query(q)", needs="frame q", opaque="query() of a text that is made elsewhere"),
    Cell("a model's eval", "model.eval()", needs="model"),
    # what touches anything
    Cell("exec", "exec(code)", needs="code", opaque="exec"),
    Cell("eval in a function", "def f(c):\n  return eval(c)", makes="f", opaque="eval"),
    Cell("an eval of one's own", "def eval(m):\n  return m\neval(net)", needs="net", makes="eval"),
    Cell("globals", 'globals()["x"] = 1', opaque="globals"),
    Cell("locals of the cell", "locals()", opaque="locals"),
    Cell("locals of a function", "def f(a):\n  return locals()", makes="f"),
    Cell("vars of something", "vars(thing)", needs="thing"),
    Cell("vars of the cell", "vars()", opaque="vars"),
    Cell("frames", "import sys\nsys._getframe().f_globals", makes="sys", opaque="._getframe,.f_globals"),
    Cell("the shell", 'get_ipython().push({"x": 1})', needs="get_ipython", opaque="get_ipython"),
    Cell("no Python", "this is no Python", opaque="the cell can't be read as Python"),
    # IPython
    Cell("pasted with its prompt", "In [1]: x = y", needs="y", makes="x"),
    Cell("a shell command", "!nvidia-smi"),
    Cell("a command with values", "!cp {src + '/a'} $dst", needs="src dst"),
    Cell("a command's lines", "files = !ls $folder", needs="folder", makes="files"),
    Cell("braces of another language", "!awk '{print $1}' log.txt"),
    Cell("timed", "%time y = f(x)", needs="f x", makes="y"),
    Cell("timed often", "%timeit -n 10 -r3 f(x)", needs="f x"),
    Cell("a timed cell", "%%time\ny = f(x)\nz = y", needs="f x", makes="y z"),
    Cell("captured", "%%capture out\nprint(x)", needs="x", makes="out"),
    Cell("magics inside", "for p in paths:\n    %cd $p\n    !ls\n    n = 1", needs="paths", makes="p n"),
    Cell("a look at something", "model.fit?", needs="model"),
    Cell("plots", "%matplotlib inline\nplt.plot(xs)", needs="plt xs"),
    Cell("another language", "%%bash --out lines\nfor i in 1 2; do echo $i; done", makes="lines"),
    Cell("a far cell is far", "%%gpu H100\nx = y"),
    Cell("a local cell", "%%local\nx = y", needs="y", makes="x"),
    Cell("an unknown magic", "%run train.py", opaque="%run"),
    Cell("an unknown cell magic", "%%sql db\nselect 1", opaque="%%sql"),
    Cell("a magic in a magic", "%%time\n%run other.py", opaque="%run"),
    # longer ones
    Cell(
        "a chain of pandas",
        "daily = (\n    sales.loc[sales.day >= start]\n    .assign(net=lambda d: d.gross * (1 - vat))\n"
        '    .groupby("day", as_index=False)\n    .agg(net=("net", "sum"))\n)\ndaily.head()',
        needs="sales start vat",
        makes="daily",
    ),
    Cell(
        "a simulation",
        "import numpy as np\nrng = np.random.default_rng(seed)\nx = np.empty(steps)\nx[0] = x0\n"
        "for t in range(1, steps):\n    x[t] = x[t - 1] + drift(x[t - 1]) + rng.normal()\nresult = x.mean()",
        needs="seed steps x0 drift",
        makes="np rng x t result",
    ),
    Cell(
        "a retry",
        "for attempt in range(tries):\n    try:\n        page = fetch(url)\n        break\n"
        "    except TimeoutError as late:\n        waits.append(late)\nelse:\n    page = None",
        needs="tries fetch url waits",
        makes="attempt page late",
    ),
]  # fmt: skip
