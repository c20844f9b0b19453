select rejoinder.high_water()
