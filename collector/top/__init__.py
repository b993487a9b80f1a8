"""``beamwarden top``: a live full screen of one node. What it shows is decided by pure functions; `app` moves it."""
