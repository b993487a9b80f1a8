"""The black box: what the log has of a node when the instance, and all else that we knew of it, is gone."""
