"""From files to files: the loop over frames, and what a run keeps so that another can continue."""
