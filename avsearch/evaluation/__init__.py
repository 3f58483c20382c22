"""Labelled queries in four directions -> figures beside chance, with intervals, as a page, Markdown and JSON.

Importing this loads neither torch nor faiss; `avsearch.evaluation.judged`, the paper's protocol, loads torch.
"""

from avsearch.evaluation.items import EvaluationSettings, Items
from avsearch.evaluation.report import write_report
from avsearch.evaluation.results import Evaluation
from avsearch.evaluation.retrieval import evaluate
from avsearch.evaluation.systems import Report

__all__ = ["Evaluation", "EvaluationSettings", "Items", "Report", "evaluate", "write_report"]
