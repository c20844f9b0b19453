select missing
  from rejoinder.secure()
