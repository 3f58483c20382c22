"""The HTTP API and the page: `avsearch serve`."""
