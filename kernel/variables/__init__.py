"""What a cell needs, what it makes, and what the functions that it needs reach. Start reading at `analysis`."""

from .analysis import Analysis, analyse
from .reach import Reach, reached

__all__ = ["Analysis", "Reach", "analyse", "reached"]
