-- A script: vacuum takes no part in a transaction. Nothing is cut off at the end, which takes an exclusive lock.
vacuum (skip_locked, truncate false) rejoinder.live
