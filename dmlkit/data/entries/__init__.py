"""The catalogue's entries, one file a kind: facts only, and which layout reads them."""
