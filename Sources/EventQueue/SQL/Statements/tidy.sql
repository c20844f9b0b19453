select rejoinder.tidy()
