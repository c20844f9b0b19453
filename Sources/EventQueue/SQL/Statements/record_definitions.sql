-- $1 what definitions.sql said before the migration, or null
select rejoinder.record_definitions($1::text::jsonb)
