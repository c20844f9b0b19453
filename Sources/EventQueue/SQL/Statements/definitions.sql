-- What is in the schema, for record_definitions(): an object with an md5 by kind and name, as text.
select coalesce(pg_catalog.jsonb_object_agg(kind || ' ' || name, md5(definition)), '{}')::text
  from rejoinder.definitions()
