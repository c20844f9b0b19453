-- Whether there is a schema at all, before anything in it can be read.
select to_regclass('rejoinder.migration') is not null
