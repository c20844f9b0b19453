-- Whether what is in the schema can be asked for.
select to_regprocedure('rejoinder.definitions()') is not null
