select made, dropped
  from rejoinder.tidy()
