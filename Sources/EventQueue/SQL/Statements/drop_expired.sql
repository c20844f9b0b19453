select rejoinder.drop_expired()
