"""Models from the internet: from an address to a file in the right folder."""
