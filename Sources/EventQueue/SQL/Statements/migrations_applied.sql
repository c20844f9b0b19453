select version, name, checksum
  from rejoinder.migration
 order by version
