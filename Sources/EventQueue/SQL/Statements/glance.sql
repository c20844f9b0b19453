select rejoinder.glance() as glance
