"""What every benchmark shares: contenders in processes of their own, interleaved rounds, summaries, reports.

A benchmark is a list of `Contender`s and `Task`s; `main` makes a command of it. Drivers, one script for each kind of
contender, do the measuring: they hold what is measured, and answer each request with one number (and, if they can,
with a trace of where it went). So the client of each contender runs alone in its process, and peers run in their own
environment.
"""

from .command import main
from .model import Benchmark, Contender, Row, Sample, Task

__all__ = ["Benchmark", "Contender", "Row", "Sample", "Task", "main"]
