"""Training: recipe -> pairs -> features -> towers -> objective -> validation -> checkpoint -> one weights file."""
