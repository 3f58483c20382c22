"""The measurements behind `avsearch bench`: each runs the real command, and says on which machine."""
