"""What works on this machine, and what to install for the rest: facts, told by `avsearch doctor`."""
