"""Labelled queries in four directions -> nDCG@k beside chance, as JSON and Markdown.

Importing this loads neither torch nor faiss; `avsearch.evaluation.drawn`, the paper's protocol, loads torch.
"""

from avsearch.evaluation.items import EvaluationSettings, Items
from avsearch.evaluation.report import write_report
from avsearch.evaluation.retrieval import Evaluation, evaluate

__all__ = ["Evaluation", "EvaluationSettings", "Items", "evaluate", "write_report"]
