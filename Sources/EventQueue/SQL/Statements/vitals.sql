select metric, node, value
  from rejoinder.vitals()
