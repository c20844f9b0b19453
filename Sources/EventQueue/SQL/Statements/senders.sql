select rejoinder.senders()
