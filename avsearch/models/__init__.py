"""Networks and their weights files; one file a network, on shared towers."""
